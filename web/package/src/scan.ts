// The scan: which of the files are logs and Redis backups, reading them portion by portion, and the report.
//
// What a line is, what belongs together and what is damaged is decided in the module, by the code of the command line.

import { Opening, type RedisBackups, Scanner, archive, initSync } from "./judge/papyra_web.js";
import { pump } from "./pump.js";
import type { Report } from "./report.js";
import { PACKED_STEP, pushLog } from "./steps.js";

/** How far a scan is. */
export interface Progress {
  /** Bytes read so far, of all files; a damaged append-only file is read a second time, and counts once. */
  bytes: number;
  /** Bytes of all files that are read. */
  total: number;
  /** Intact records so far. */
  records: number;
}

export interface Options {
  /** What the report calls a Blob that has no name; by default `input.ndjson`. */
  name?: string;
  /** Ends the scan: it then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Bytes that are read at a time; by default 2 MiB. Three portions are in memory. */
  chunk?: number;
}

/** What cannot be scanned: no log, no Redis backup, or a file that changed meanwhile. The message says which. */
export class ScanError extends Error {
  override name = "ScanError";
}

interface Input {
  path: string;
  file: Blob;
}

interface Arranged {
  order: number[];
  logs: number;
}

interface Want {
  file: number;
  from: number;
  to: number;
}

/** What the module asks for, in bytes: of a file by itself, of one among others, of what may be an archive; and a file's end. */
const ALONE = 512;
const AMONG = 64 << 10;
const HEAD = 192 << 10;
const END = 10;

const PATIENCE = 20_000;

let load: (() => Promise<BufferSource>) | undefined;
let ready: Promise<unknown> | undefined;

/** How the module's bytes are had here. */
export function provide(how: () => Promise<BufferSource>): void {
  load = how;
}

function start(): Promise<unknown> {
  ready ??= (load?.() ?? Promise.reject(new Error("the module's bytes are not there"))).then((module) => initSync({ module }));
  ready.catch(() => (ready = undefined)); // it may be there the next time
  return ready;
}

/**
 * Scans a log, a compressed log or a Redis backup file; or, given several, the logs, rotation sets and Redis backups among them, as
 * `papyra persistence scan` scans a folder. Files are read from their beginning to their end and never held.
 *
 * @throws {ScanError} when nothing of it can be scanned, or it changed while it was read.
 */
export async function scan(input: Blob | readonly File[], onProgress?: (progress: Progress) => void, options: Options = {}): Promise<Report> {
  await start();
  const inputs = inputsOf(input, options.name ?? "input.ndjson");
  const opening = inputs.length === 1 ? new Opening(inputs.map(({ path }) => path)) : Opening.of_folder(inputs.map(({ path }) => path), []);
  const held: { free(): void }[] = [opening];
  try {
    await look(opening, inputs);
    const { order, logs } = JSON.parse(opening.arrange()) as Arranged;
    const list = order.flatMap((at) => inputs[at] ?? []);
    if (list.length === 0) throw new ScanError("None of these files is a log or a Redis backup.");
    const scanner = new Scanner(opening, Uint32Array.from(order.slice(0, logs)), Float64Array.from(list, ({ file }) => file.size));
    held.push(scanner);
    const reading = new Reading(scanner, list, options, onProgress);
    for (const log of list.slice(0, logs)) await reading.log(log);
    const backups = opening.backups();
    await reading.backups(backups).catch((error: unknown) => {
      backups.free();
      throw error;
    });
    // This takes the backups over.
    scanner.add(backups, true);
    return JSON.parse(scanner.finish(true)) as Report;
  } finally {
    held.forEach((own) => own.free());
  }
}

function inputsOf(input: Blob | readonly File[], name: string): Input[] {
  const named = (file: Blob): Input => ({ path: "name" in file && typeof file.name === "string" ? file.name : name, file });
  const list = input instanceof Blob ? [named(input)] : input.map(named);
  if (new Set(list.map(({ path }) => path)).size < list.length) throw new ScanError("Two of these files have the same name: scan them one by one.");
  return list;
}

async function look(opening: Opening, inputs: readonly Input[]): Promise<void> {
  for (const [at, { path, file }] of inputs.entries()) {
    const part = async (from: number, to: number) => new Uint8Array(await file.slice(from, to).arrayBuffer());
    const head = await part(0, HEAD);
    const kind = archive(head);
    if (kind !== undefined && inputs.length === 1) {
      throw new ScanError(`${path} is ${kind}: unpack it first, and scan what is in it.`);
    }
    const isUnsure = opening.add(at, file.size, head.subarray(0, inputs.length === 1 ? ALONE : AMONG), await part(Math.max(0, file.size - END), file.size));
    if (isUnsure) opening.content(at, await part(0, file.size));
  }
}

class Reading {
  /** Bytes of the logs that are over. */
  #before = 0;
  readonly #total: number;

  constructor(
    private readonly scanner: Scanner,
    private readonly list: readonly Input[],
    private readonly options: Options,
    private readonly onProgress: ((progress: Progress) => void) | undefined,
  ) {
    this.#total = list.reduce((sum, { file }) => sum + file.size, 0);
  }

  async log({ path, file }: Input): Promise<void> {
    await this.#read(path, file, (bytes) => this.#push(bytes), this.#before, () => this.scanner.records());
    this.scanner.end_file();
    this.scanner.take_plain();
    this.#before += file.size;
  }

  /** What was unpacked is for a page to show; here it is let go at once. */
  #push(bytes: Uint8Array): void {
    const { scanner } = this;
    pushLog(scanner, bytes, PACKED_STEP, (isPacked) => {
      if (isPacked) scanner.take_plain();
    });
    scanner.take_found();
  }

  async backups(backups: RedisBackups): Promise<void> {
    for (let text = backups.want(); text !== undefined; text = backups.want()) {
      const { file, from, to } = JSON.parse(text) as Want;
      const input = this.list[file];
      if (input === undefined) throw new ScanError("A file of the Redis backup is not there.");
      const before = this.list.slice(0, file).reduce((sum, { file: other }) => sum + other.size, 0);
      const push = (bytes: Uint8Array) => {
        let goesOn = true;
        for (let at = 0; at < bytes.length && goesOn; at += PACKED_STEP) {
          goesOn = backups.push(bytes.subarray(at, at + PACKED_STEP), this.scanner);
          this.scanner.take_listed(file);
        }
        return goesOn;
      };
      await this.#read(input.path, input.file.slice(from, to), push, before + from, () => this.scanner.records() + backups.records());
      const refused = backups.end(this.scanner);
      if (refused !== undefined) throw new ScanError(refused);
    }
  }

  /** `push` answers false when the rest is not needed. */
  async #read(path: string, file: Blob, push: (bytes: Uint8Array) => boolean | void, before: number, records: () => number): Promise<void> {
    const { signal, chunk = 2 << 20 } = this.options;
    signal?.throwIfAborted();
    const enough = new AbortController();
    const stop = () => enough.abort();
    signal?.addEventListener("abort", stop);
    const handoff = {
      give: async (buffer: ArrayBuffer, length: number) => {
        if (push(new Uint8Array(buffer, 0, length)) === false) stop();
        return buffer;
      },
      advance: (bytes: number) => this.onProgress?.({ bytes: before + bytes, total: this.#total, records: records() }),
    };
    const changed = () => new ScanError(`${path} changed while it was read.`);
    try {
      const bytes = await pump(file, handoff, { chunk, signal: enough.signal, patience: PATIENCE }).catch((error: unknown) => {
        throw error instanceof DOMException ? changed() : error;
      });
      signal?.throwIfAborted();
      if (bytes !== file.size && !enough.signal.aborted) throw changed();
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
}
