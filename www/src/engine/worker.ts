// The worker: owns the wasm module and answers messages. It reads no file and decides nothing.

import * as wasm from "../../../web/pkg/papyra_web.js";
import type { Report } from "./report";
import type { FromWorker, LineIndex, NewFinding, Plan, Row, ScanResult, Timeline, ToWorker } from "./protocol";

interface Details {
  timeline: Timeline;
  noLog: boolean;
  files: { stride: number; packed: boolean; looksLike: string; plan: Omit<Plan, "parts"> }[];
}

interface Scan {
  job: number;
  scanner: wasm.Scanner;
  files: number;
  /** What was unpacked of packed files, file by file. */
  plain: Unpacked[];
}

/** Unpacked bytes on their way out of this worker's memory: a Blob is the browser's to keep. */
interface Unpacked {
  blobs: Blob[];
  fresh: Uint8Array<ArrayBuffer>[];
  freshBytes: number;
}

/** Packed bytes that are unpacked at once: they may grow a thousandfold. */
const PACKED_STEP = 16 << 10;
const FRESH_LIMIT = 8 << 20;
/** Enough to tell a packed file. */
const MAGIC = 4;

const scope = self as unknown as DedicatedWorkerGlobalScope;
let scan: Scan | null = null;
let search: { job: number; search: wasm.Search } | null = null;

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
      wasm.initSync({ module: message.wasm });
      const about = JSON.parse(wasm.about()) as { tool: string; notes: Record<string, string> };
      return tell({ did: "ready", ...about });
    }
    case "order": {
      const order = JSON.parse(wasm.order([...message.names])) as { order: number[]; rotation: boolean };
      return tell({ did: "order", ask: message.ask, ...order });
    }
    case "rows": {
      const rows = JSON.parse(wasm.rows(new Uint8Array(message.bytes), message.offset, message.line)) as Row[];
      return tell({ did: "rows", ask: message.ask, rows });
    }
    case "begin":
      scan?.scanner.free();
      scan = {
        job: message.job,
        scanner: new wasm.Scanner(message.files.map((file) => file.path), Float64Array.from(message.files, (file) => file.size)),
        files: 0,
        plain: message.files.map(() => ({ blobs: [], fresh: [], freshBytes: 0 })),
      };
      return;
    case "filter":
      search?.search.free();
      search = { job: message.job, search: new wasm.Search(message.query, [...message.kinds]) };
      return;
    case "chunk":
      return chunk(message.job, message.buffer, message.length);
    case "end-file":
      if (scan?.job !== message.job) return;
      scan.scanner.end_file();
      takePlain(scan);
      scan.files += 1;
      return;
    case "end-filter":
      if (search?.job === message.job) search.search.finish();
      return hits(message.job, null);
    case "finish":
      return finish(message.job, message.whole);
  }
}

function chunk(job: number, buffer: ArrayBuffer, length: number): void {
  const bytes = new Uint8Array(buffer, 0, length);
  if (search?.job === job) {
    search.search.push(bytes);
    return hits(job, buffer);
  }
  let found: NewFinding[] = [];
  let records = 0;
  // A job that was replaced gets its buffers back and nothing else.
  if (scan?.job === job) {
    push(scan, bytes);
    found = JSON.parse(scan.scanner.take_found() ?? "[]") as NewFinding[];
    records = scan.scanner.records();
  }
  tell({ did: "chunk", job, buffer, found, records }, [buffer]);
}

function hits(job: number, buffer: ArrayBuffer | null): void {
  const own = search?.job === job ? search.search : null;
  const places = own?.take() ?? new Float64Array();
  const transfer: Transferable[] = buffer === null ? [places.buffer] : [places.buffer, buffer];
  tell({ did: "hits", job, buffer, places, total: own?.total() ?? 0 }, transfer);
}

function push(own: Scan, bytes: Uint8Array): void {
  let at = Math.min(MAGIC, bytes.length);
  own.scanner.push(bytes.subarray(0, at));
  const step = own.scanner.is_packed() ? PACKED_STEP : bytes.length;
  for (; at < bytes.length; at += step) {
    own.scanner.push(bytes.subarray(at, at + step));
    if (step === PACKED_STEP) takePlain(own);
  }
}

function takePlain({ scanner, plain, files }: Scan): void {
  const unpacked = plain[files];
  const bytes = scanner.take_plain();
  if (unpacked === undefined || bytes === undefined || bytes.length === 0) return;
  unpacked.fresh.push(bytes as Uint8Array<ArrayBuffer>);
  unpacked.freshBytes += bytes.length;
  if (unpacked.freshBytes >= FRESH_LIMIT) settlePlain(unpacked);
}

function settlePlain(unpacked: Unpacked): void {
  unpacked.blobs.push(new Blob(unpacked.fresh));
  unpacked.fresh = [];
  unpacked.freshBytes = 0;
}

function finish(job: number, whole: boolean): void {
  if (scan?.job !== job) return;
  const { scanner, plain } = scan;
  const json = scanner.finish(whole);
  const { timeline, files, noLog } = JSON.parse(scanner.details(Date.now() / 1000)) as Details;
  const plans: Plan[] = files.map((file, index) => ({ ...file.plan, parts: scanner.plan(index) }));
  const indexes: LineIndex[] = files.map((file, index) => ({ stride: file.stride, offsets: scanner.line_offsets(index) }));
  const result: ScanResult = {
    json,
    plans,
    timeline,
    indexes,
    looksLike: noLog ? (files[0]?.looksLike ?? "") : null,
    packed: files.map((file) => file.packed),
    plain: files.map((file, index) => plainOf(plain[index], file.packed, json, index)),
  };
  tell({ did: "finish", job, result }, [...plans.map((plan) => plan.parts.buffer), ...indexes.map((index) => index.offsets.buffer)]);
  scanner.free();
  scan = null;
}

/** All that was unpacked, or null when some of it was too much to keep. */
function plainOf(unpacked: Unpacked | undefined, packed: boolean, json: string, index: number): Blob | null {
  if (!packed || unpacked === undefined) return null;
  settlePlain(unpacked);
  const read = (JSON.parse(json) as Report).files.filter((file) => file.role !== "missing");
  const blob = new Blob(unpacked.blobs);
  return blob.size === read[index]?.bytes ? blob : null;
}
