// The worker: owns the wasm modules and answers messages. It reads no file and decides nothing.

import { PACKED_STEP, pushLog } from "../../../web/package/src/steps";
import * as explore from "../../../web/pkg/explore/papyra_web.js";
import * as judge from "../../../web/pkg/judge/papyra_web.js";
import type { BackupFiles, BackupTold, Describing } from "./backup";
import type { ComparedSide, Comparison, Wanted } from "./compare";
import { Members } from "./members";
import { Plain } from "./plain";
import type { Found, FromWorker, LineIndex, NewFinding, Order, Plan, Row, ScanResult, ScannedFile, Timeline, ToWorker } from "./protocol";
import type { Remedy, Want } from "./redis";

interface Details {
  timeline: Timeline;
  noLog: boolean;
  remedies: Remedy[];
  backup: BackupTold | null;
  sources: (number | null)[];
  reasons: Record<string, number>[];
  files: { stride: number; packed: boolean; bytes: number; looksLike: string; plan: Omit<Plan, "parts"> }[];
  listings: { file: number; lines: number; stride: number; bytes: number }[];
}

interface Scan {
  job: number;
  scanner: judge.Scanner | explore.Scanner;
  /** The logs that are over, of so many; then the Redis backups come. */
  files: number;
  logs: number;
  sizes: readonly number[];
  redis: Redis | null;
  /** What was unpacked of packed files, and the records of Redis dumps, file by file. */
  plain: Plain[];
  /** The file that is read of a Redis backup. */
  wanted: number;
}

/** Redis backups, and the scanner that is shown their records. */
interface Redis {
  backups: judge.RedisBackups;
  scanner: judge.Scanner;
}

/** Each step is one place in the history, which has fewer bins than that. */
const STEPS = 512;
/** What a search has come to is told so often while it goes on, in milliseconds. */
const TELL_FOUND = 1_000;
/** A portion that takes longer is told to be under way. */
const BUSY = 2_000;

const scope = self as unknown as DedicatedWorkerGlobalScope;
/** What was opened last. */
let opening: judge.Opening | null = null;
let scan: Scan | null = null;
/** The archive that is being unpacked. */
let archive: Members | null = null;
/** The two sides that are compared. */
let compared: explore.Compared | null = null;
let search: { job: number; search: explore.Search; listed: number; told: number } | null = null;

scope.onmessage = (event: MessageEvent<ToWorker>) => {
  try {
    hear(event.data);
  } catch (error) {
    tell({ did: "fail", message: error instanceof Error ? error.message : String(error) });
  }
};

function tell(message: FromWorker, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}

function hear(message: ToWorker): void {
  switch (message.do) {
    case "start": {
      judge.initSync({ module: message.wasm });
      const about = JSON.parse(judge.about()) as { tool: string; notes: Record<string, string> };
      return tell({ did: "ready", ...about });
    }
    case "explore":
      explore.initSync({ module: message.wasm });
      return;
    case "look": {
      opening?.free();
      const names = message.files.map(({ path }) => path);
      const fresh = (opening = message.isFolder ? judge.Opening.of_folder(names, [...message.folders]) : new judge.Opening(names));
      const unsure = message.files.map(({ size, start, end }, file) => fresh.add(file, size, start, end));
      return tell({ did: "look", ask: message.ask, unsure: [...unsure.keys()].filter((file) => unsure[file]) });
    }
    case "archives":
      return tell({ did: "archives", ask: message.ask, archives: message.heads.map((head) => judge.archive(head) ?? null) });
    case "unpack":
      archive?.free();
      archive = new Members(message.job, message.head);
      return;
    case "end-unpack":
      return endUnpack(message.ask, message.job);
    case "order": {
      for (const { file, bytes } of message.contents) opening?.content(file, new Uint8Array(bytes));
      const order = JSON.parse(opening?.arrange() ?? "{}") as Order;
      return tell({ did: "order", ask: message.ask, ...order });
    }
    case "want":
      return want(message.ask, message.job, message.ended);
    case "rows": {
      const marked = JSON.parse(explore.rows(new Uint8Array(message.bytes), message.offset, message.line, message.query)) as { row: Row; marks: Row["marks"] }[];
      return tell({ did: "rows", ask: message.ask, rows: marked.map(({ row, marks }) => ({ ...row, marks })) });
    }
    case "query":
      return tell({ did: "query", ask: message.ask, wrong: explore.misunderstood(message.query) ?? null });
    case "backup": {
      const { manifest, sums, paths } = message.describing;
      const backup = JSON.parse(explore.backup(new Uint8Array(manifest), new Uint8Array(sums), [...paths])) as BackupFiles;
      return tell({ did: "backup", ask: message.ask, backup });
    }
    case "begin": {
      scan?.scanner.free();
      scan?.redis?.backups.free();
      const { files, logs, backup } = message;
      scan = {
        job: message.job,
        ...(backup === null ? scannersOf(files, logs) : { scanner: verifierOf(files, backup), redis: null }),
        files: 0,
        logs,
        sizes: files.map(({ size }) => size),
        plain: files.map(() => new Plain()),
        wanted: 0,
      };
      return;
    }
    case "search":
      search?.search.free();
      search = { job: message.job, search: new explore.Search(message.query, message.total, message.csv), listed: message.listed, told: performance.now() };
      return;
    case "search-file":
      if (search?.job === message.job) search.search.begin(message.file.path, message.file.base, message.file.scale);
      return;
    case "chunk":
      return chunk(message.job, message.buffer, message.length);
    case "end-file":
      if (scan?.job !== message.job) return;
      scan.scanner.end_file();
      scan.plain[scan.files]?.keep(scan.scanner.take_plain());
      scan.files += 1;
      return;
    case "end-search-file":
      if (search?.job === message.job) search.search.finish();
      return hits(message.job, null);
    case "compare":
      return answerCompare(message.ask, () => beginCompare(message.sides));
    case "compare-bytes":
      return answerCompare(message.ask, () => {
        if (message.buffer === null) compared?.end_file(message.side);
        else compared?.push(message.side, new Uint8Array(message.buffer));
      });
    case "compared": {
      const told = JSON.parse(compared?.told(message.old, message.new) ?? "{}") as Comparison;
      return tell({ did: "compared", ask: message.ask, comparison: told });
    }
    case "finish":
      return finish(message.job, message.whole);
  }
}

function beginCompare(sides: readonly ComparedSide[]): void {
  compared?.free();
  const own = (compared = new explore.Compared());
  sides.forEach(({ name, backup, logs, others }, side) => {
    logs.forEach((log) => own.add_log(side, log.base, [...log.names], Uint32Array.from(log.places)));
    others.forEach((other) => own.add_other(side, other));
    const manifest = backup === null ? undefined : own.add_backup(side, new Uint8Array(backup.manifest), new Uint8Array(backup.sums), [...backup.paths]);
    const why = manifest ?? own.refused(side);
    if (why !== undefined) throw `cannot compare ${name}: ${why}`;
  });
  own.begin();
}

/** What core refuses it throws as a text: an answer, not a fault of this worker. */
function answerCompare(ask: number, work: () => void): void {
  try {
    work();
    const wanted = compared?.wanted();
    tell({ did: "compare", ask, wanted: wanted === undefined ? null : (JSON.parse(wanted) as Wanted), refused: null });
  } catch (error) {
    if (typeof error !== "string") throw error;
    tell({ did: "compare", ask, wanted: null, refused: error });
  }
}

function scannersOf(files: readonly ScannedFile[], logs: number): { scanner: judge.Scanner; redis: Redis } {
  const own = (opening ??= new judge.Opening([]));
  const scanner = new judge.Scanner(own, Uint32Array.from(files.slice(0, logs), (file) => file.at), sizesOf(files));
  return { scanner, redis: { backups: own.backups(), scanner } };
}

function verifierOf(files: readonly ScannedFile[], { manifest, sums, paths }: Describing): explore.Scanner {
  return explore.Scanner.of_backup(new Uint8Array(manifest), new Uint8Array(sums), [...paths], sizesOf(files));
}

function sizesOf(files: readonly ScannedFile[]): Float64Array {
  return Float64Array.from(files, ({ size, inHistory }) => (inHistory ? size : 0));
}

function chunk(job: number, buffer: ArrayBuffer, length: number): void {
  const bytes = new Uint8Array(buffer, 0, length);
  if (archive?.job === job) {
    const enough = !archive.push(bytes);
    return tell({ did: "chunk", job, buffer, found: [], records: 0, enough, packed: false }, [buffer]);
  }
  if (search?.job === job) {
    search.search.push(bytes);
    return hits(job, buffer);
  }
  let found: NewFinding[] = [];
  let records = 0;
  let enough = false;
  let packed = false;
  // A job that was replaced gets its buffers back and nothing else.
  if (scan?.job === job) {
    const logs = scan.files < scan.logs;
    if (logs) push(scan, bytes);
    else enough = !pushRedis(scan, bytes);
    found = JSON.parse((logs ? scan.scanner : scan.redis?.backups)?.take_found() ?? "[]") as NewFinding[];
    records = scan.scanner.records() + (scan.redis?.backups.records() ?? 0);
    packed = logs && found.length > 0 && scan.scanner.unfolds();
  }
  tell({ did: "chunk", job, buffer, found, records, enough, packed }, [buffer]);
}

function want(ask: number, job: number, ended: boolean): void {
  const own = scan?.job === job ? scan : null;
  const redis = own?.redis ?? null;
  const refused = (ended ? redis?.backups.end(redis.scanner) : undefined) ?? null;
  if (own !== null && ended) own.plain[own.wanted]?.keep(own.scanner.take_listed(own.wanted));
  const text = refused === null ? redis?.backups.want() : undefined;
  const next = text === undefined ? null : (JSON.parse(text) as Want);
  if (own !== null && next !== null) own.wanted = next.file;
  tell({ did: "want", ask, want: next, refused });
}

/** Answers a chunk of a search, or without a buffer the end of a file. */
function hits(job: number, buffer: ArrayBuffer | null): void {
  const own = search?.job === job ? search : null;
  const places = (own?.search.take(own.listed) ?? new Float64Array()) as Float64Array<ArrayBuffer>;
  const csv = (own?.search.take_csv() ?? new Uint8Array()) as Uint8Array<ArrayBuffer>;
  if (own !== null) own.listed -= places.length / 3;
  const isTold = own !== null && (buffer === null || performance.now() - own.told > TELL_FOUND);
  const found = isTold ? (JSON.parse(own.search.told(Date.now() / 1000)) as Found) : null;
  if (isTold) own.told = performance.now();
  const extent = buffer === null && own !== null ? own.search.extent() : null;
  const transfer: Transferable[] = [places.buffer, csv.buffer, ...(buffer === null ? [] : [buffer])];
  tell({ did: "hits", job, buffer, places, csv, total: own?.search.total() ?? 0, found, extent }, transfer);
}

function push(own: Scan, bytes: Uint8Array): void {
  let told = performance.now();
  pushLog(own.scanner, bytes, packedStep(own.sizes[own.files]), (isPacked) => {
    if (performance.now() - told > BUSY) {
      told = performance.now();
      tell({ did: "busy" });
    }
    if (isPacked) own.plain[own.files]?.keep(own.scanner.take_plain());
  });
}

/** `false`: the rest is not needed. What a dump holds may be many times its size. */
function pushRedis({ redis, plain, wanted, sizes }: Scan, bytes: Uint8Array): boolean {
  if (redis === null) return false;
  const { backups, scanner } = redis;
  const step = packedStep(sizes[wanted]);
  for (let at = 0; at < bytes.length; at += step) {
    const goesOn = backups.push(bytes.subarray(at, at + step), scanner);
    plain[wanted]?.keep(scanner.take_listed(wanted));
    if (!goesOn) return false;
  }
  return true;
}

function packedStep(size = 0): number {
  return Math.min(PACKED_STEP, Math.ceil(size / STEPS) || 1);
}

function finish(job: number, whole: boolean): void {
  if (scan?.job !== job) return;
  const { scanner, plain, redis } = scan;
  // This takes the backups over: they are not to be freed any more.
  redis?.scanner.add(redis.backups, whole);
  const json = scanner.finish(whole);
  const { timeline, files, noLog, backup, remedies, listings, sources, reasons } = JSON.parse(scanner.details(Date.now() / 1000)) as Details;
  const plans: Plan[] = files.map((file, index) => ({ ...file.plan, parts: scanner.plan(index) }));
  const indexes: LineIndex[] = files.map((file, index) => ({ stride: file.stride, offsets: scanner.line_offsets(index) }));
  const result: ScanResult = {
    json,
    plans,
    timeline,
    indexes,
    looksLike: noLog ? (files[0]?.looksLike ?? "") : null,
    packed: files.map((file) => file.packed),
    plain: files.map((file, index) => (file.packed ? (plain[index]?.whole(file.bytes) ?? null) : null)),
    listings: listings.map(({ file, lines, stride, bytes }) => ({
      file,
      lines,
      index: { stride, offsets: scanner.line_offsets(file) },
      text: plain[file]?.whole(bytes) ?? null,
    })),
    backup,
    remedies,
    sources,
    reasons,
  };
  tell({ did: "finish", job, result }, [...plans.map((plan) => plan.parts.buffer), ...indexes.map((index) => index.offsets.buffer)]);
  scanner.free();
  scan = null;
}

function endUnpack(ask: number, job: number): void {
  if (archive?.job !== job) throw new Error("another archive was opened");
  tell({ did: "unpacked", ask, unpacked: archive.end() });
  archive = null;
}
