// The worker as seen from the page: starts it from what the file carries, and turns its messages into promises.

import type { BackupFiles, Describing } from "./backup";
import type { ComparedSide, Comparison, Wanted } from "./compare";
import type { Source } from "../read/source";
import { endsOf } from "../read/look";
import type { Want } from "./redis";
import { type FromWorker, type Hits, type NewFinding, type Order, type Row, type ScanResult, type ScannedFile, type Searched, type ToWorker, type Unpacked } from "./protocol";
import { unpack } from "./unpack";

/** A worker that a policy forbids is built all the same and only never answers. */
const READY_WITHIN = 15_000;
/** A worker that has died says nothing, ever: so many looks in a row without a word, and it is given up. */
const LOOK_EVERY = 5_000;
const SILENT_LOOKS = 6;

/** The files are beyond the readers: a calm answer, no fault of the engine. */
export class Refused extends Error {}

export class Engine {
  tool = "";
  notes: Readonly<Record<string, string>> = {};
  /** Told of findings as they come in. */
  onFound: (job: number, found: readonly NewFinding[], records: number, packed: boolean) => void = () => undefined;
  onHits: (job: number, hits: Hits) => void = () => undefined;
  /** Told that the rest of what was wanted is not needed. */
  onEnough: (job: number) => void = () => undefined;

  readonly #worker: Worker;
  readonly #asks = new Map<number, (message: FromWorker) => void>();
  /** Those who wait for a buffer to come back, in the order in which they gave one. */
  #returns: { job: number; resolve: (buffer: ArrayBuffer) => void; reject: (error: Error) => void }[] = [];
  #finishes = new Map<number, { resolve: (result: ScanResult) => void; reject: (error: Error) => void }>();
  #next = 0;
  #exploring: Promise<void> | undefined;
  #failed: Error | null = null;
  /** Looks since the worker was heard last. Counted, not timed: a computer may have slept in between. */
  #silent = 0;
  #watch: ReturnType<typeof setInterval> | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<FromWorker>) => this.#hear(event.data);
    worker.onerror = (event) => this.#fail(event.message.replace(/^Uncaught (Error: )?/, "") || "The background worker stopped");
  }

  static async start(): Promise<Engine> {
    const [script, wasm] = await Promise.all([unpack("worker"), unpack("judge")]);
    const engine = new Engine(workerOf(script));
    await engine.#ready(wasm);
    return engine;
  }

  async #ready(wasm: ArrayBuffer): Promise<void> {
    const message = await new Promise<FromWorker>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("The background worker did not start.")), READY_WITHIN);
      this.#asks.set(-1, (answer) => {
        clearTimeout(timer);
        if (answer.did === "fail") reject(new Error(answer.message));
        else resolve(answer);
      });
      this.#send({ do: "start", wasm }, [wasm]);
    });
    if (message.did === "ready") {
      this.tool = message.tool;
      this.notes = message.notes;
    }
  }

  /** Whether it can work no more. */
  get isDead(): boolean {
    return this.#failed !== null;
  }

  /** Loads what a scan needs nothing of: it looks into records, unpacks archives and verifies backups. */
  explore(): Promise<void> {
    this.#exploring ??= unpack("explore").then((wasm) => this.#send({ do: "explore", wasm }, [wasm]));
    return this.#exploring;
  }

  /** A number for the next scan or filter; messages of older ones are ignored from then on. */
  job(): number {
    this.#next += 1;
    return this.#next;
  }

  /** Tells what files are by their content, and how they belong together. */
  async order(files: readonly Source[], folders: readonly string[], isFolder: boolean): Promise<Order> {
    let ask = this.job();
    const ends = await Promise.all(files.map((source) => endsOf(source, isFolder)));
    const looked = await this.#ask(ask, { do: "look", ask, files: ends, folders, isFolder });
    const contents: { file: number; bytes: ArrayBuffer }[] = [];
    for (const file of looked.did === "look" ? looked.unsure : []) {
      contents.push({ file, bytes: (await files[file]?.file.arrayBuffer()) ?? new ArrayBuffer() });
    }
    ask = this.job();
    const answer = await this.#ask(ask, { do: "order", ask, contents });
    return answer.did === "order" ? answer : { order: [], logs: 0, rotation: false, backups: [], sets: [], aside: [], loaded: null, appendOnly: [] };
  }

  /** What is to be read of the Redis backups next; nothing when they are done. */
  async want(job: number, ended: boolean): Promise<Want | null> {
    const ask = this.job();
    const answer = await this.#ask(ask, { do: "want", ask, job, ended });
    if (answer.did !== "want") return null;
    if (answer.refused !== null) throw new Refused(answer.refused);
    return answer.want;
  }

  /** Which of the files with these first bytes are archives of files, and of which kind. */
  async archives(heads: readonly Uint8Array[]): Promise<readonly (string | null)[]> {
    const ask = this.job();
    const answer = await this.#ask(ask, { do: "archives", ask, heads });
    return answer.did === "archives" ? answer.archives : heads.map(() => null);
  }

  /** Once `explore` has answered. */
  unpack(job: number, head: Uint8Array): void {
    this.#send({ do: "unpack", job, head });
  }

  /** The archive is over: the files in it. */
  async endUnpack(job: number): Promise<Unpacked> {
    const ask = this.job();
    const answer = await this.#ask(ask, { do: "end-unpack", job, ask });
    if (answer.did !== "unpacked") throw new Error("The archive could not be unpacked");
    return answer.unpacked;
  }

  async rows(bytes: ArrayBuffer, offset: number, line: number, query: string): Promise<Row[]> {
    await this.explore();
    const ask = this.job();
    const answer = await this.#ask(ask, { do: "rows", ask, bytes, offset, line, query }, [bytes]);
    return answer.did === "rows" ? answer.rows : [];
  }

  /** What the two describing files of a backup say of the files in its folder. */
  async backup(describing: Describing): Promise<BackupFiles> {
    await this.explore();
    const ask = this.job();
    const answer = await this.#ask(ask, { do: "backup", ask, describing });
    return answer.did === "backup" ? answer.backup : {};
  }

  /** Of a backup, once `explore` has answered. */
  begin(job: number, files: readonly ScannedFile[], logs: number, backup: Describing | null): void {
    this.#send({ do: "begin", job, files, logs, backup });
  }

  /** What is wrong with a query, in words; null when it can be understood. */
  async misunderstood(query: string): Promise<string | null> {
    await this.explore();
    const ask = this.job();
    const answer = await this.#ask(ask, { do: "query", ask, query });
    return answer.did === "query" ? answer.wrong : null;
  }

  /** Once `explore` has answered. */
  search(job: number, query: string, total: number, listed: number, csv: boolean): void {
    this.#send({ do: "search", job, query, total, listed, csv });
  }

  searchFile(job: number, file: Searched): void {
    this.#send({ do: "search-file", job, file });
  }

  /** The file is over: a last line without a newline counts too. */
  async endSearchFile(job: number): Promise<void> {
    await this.#ask(job, { do: "end-search-file", job });
  }

  /** Begins to compare two sides, the older one first; answers what is to be read, null when nothing is. */
  async compare(sides: readonly [ComparedSide, ComparedSide]): Promise<Wanted | null> {
    await this.explore();
    const ask = this.job();
    return wantedOf(await this.#ask(ask, { do: "compare", ask, sides }));
  }

  /** The next bytes of the file that was wanted of a side; without bytes it is over. */
  async compareBytes(side: number, buffer: ArrayBuffer | null): Promise<Wanted | null> {
    const ask = this.job();
    return wantedOf(await this.#ask(ask, { do: "compare-bytes", ask, side, buffer }, buffer === null ? [] : [buffer]));
  }

  /** What the comparison came to, of sides with these names. */
  async compared(old: string, newer: string): Promise<Comparison> {
    const ask = this.job();
    const answer = await this.#ask(ask, { do: "compared", ask, old, new: newer });
    if (answer.did !== "compared") throw new Error("Nothing was compared");
    return answer.comparison;
  }

  endFile(job: number): void {
    this.#send({ do: "end-file", job });
  }

  give(job: number, buffer: ArrayBuffer, length: number): Promise<ArrayBuffer> {
    if (this.#failed !== null) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#returns.push({ job, resolve, reject });
      this.#send({ do: "chunk", job, buffer, length }, [buffer]);
    });
  }

  /** `whole` is false when the reading was stopped: then this is what was seen so far. */
  finish(job: number, whole: boolean): Promise<ScanResult> {
    if (this.#failed !== null) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#finishes.set(job, { resolve, reject });
      this.#send({ do: "finish", job, whole });
    });
  }

  #ask(ask: number, message: ToWorker, transfer: Transferable[] = []): Promise<FromWorker> {
    if (this.#failed !== null) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#asks.set(ask, (answer) => (answer.did === "fail" ? reject(new Error(answer.message)) : resolve(answer)));
      this.#send(message, transfer);
    });
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
    if (this.#watch !== undefined) return;
    this.#silent = 0;
    this.#watch = setInterval(() => this.#look(), LOOK_EVERY);
  }

  #look(): void {
    if (this.#returns.length + this.#finishes.size + this.#asks.size === 0) return this.#rest();
    this.#silent += 1;
    if (this.#silent >= SILENT_LOOKS) this.#fail("The background worker stopped answering");
  }

  #rest(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  #hear(message: FromWorker): void {
    this.#silent = 0;
    switch (message.did) {
      case "ready":
        return this.#answer(-1, message);
      case "look":
      case "archives":
      case "unpacked":
      case "order":
      case "backup":
      case "want":
      case "rows":
      case "query":
      case "compare":
      case "compared":
        return this.#answer(message.ask, message);
      case "chunk": {
        const waiting = this.#returns.shift();
        waiting?.resolve(message.buffer);
        if (message.enough) this.onEnough(message.job);
        if (message.found.length > 0 || message.records > 0) this.onFound(message.job, message.found, message.records, message.packed);
        return;
      }
      case "hits": {
        if (message.buffer === null) {
          this.onHits(message.job, message);
          return this.#answer(message.job, message);
        }
        const waiting = this.#returns.shift();
        waiting?.resolve(message.buffer);
        return this.onHits(message.job, message);
      }
      case "finish": {
        this.#finishes.get(message.job)?.resolve(message.result);
        this.#finishes.delete(message.job);
        return;
      }
      case "busy":
        return;
      case "fail":
        return this.#fail(message.message);
    }
  }

  #answer(ask: number, message: FromWorker): void {
    this.#asks.get(ask)?.(message);
    this.#asks.delete(ask);
  }

  #fail(text: string): void {
    this.#failed = new Error(text);
    for (const waiting of this.#returns) waiting.reject(this.#failed);
    for (const waiting of this.#finishes.values()) waiting.reject(this.#failed);
    for (const answer of this.#asks.values()) answer({ did: "fail", message: text });
    this.#returns = [];
    this.#finishes.clear();
    this.#asks.clear();
    this.#rest();
    this.#worker.terminate();
  }
}

function wantedOf(answer: FromWorker): Wanted | null {
  if (answer.did !== "compare") return null;
  if (answer.refused !== null) throw new Refused(answer.refused);
  return answer.wanted;
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): unknown };
}

/** Addresses of this page's own workers. */
const own = new Set<string>();
let policy: ReturnType<TrustedTypes["createPolicy"]> | undefined;

/** A worker from the text that this page carries; the policy lets no other script address through. */
function workerOf(script: ArrayBuffer): Worker {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  own.add(url);
  const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  const createScriptURL = (asked: string) => {
    if (!own.has(asked)) throw new TypeError("not this page's worker");
    return asked;
  };
  policy ??= types?.createPolicy("papyra-worker", { createScriptURL });
  return new Worker((policy === undefined ? url : policy.createScriptURL(url)) as string);
}
