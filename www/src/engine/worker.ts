// The worker: owns the wasm module and answers messages. It reads no file and decides nothing.

import * as wasm from "../../../web/pkg/papyra_web.js";
import type { FromWorker, LineIndex, NewFinding, Plan, Row, ScanResult, Timeline, ToWorker } from "./protocol";

interface Details {
  timeline: Timeline;
  files: { stride: number; packed: boolean; looksLike: string; plan: Omit<Plan, "parts"> }[];
}

interface Scan {
  job: number;
  scanner: wasm.Scanner;
  files: number;
  /** Of packed files: what was unpacked, file by file; null once it is too much. */
  plain: Uint8Array<ArrayBuffer>[][];
}

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
        plain: message.files.map(() => []),
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
    scan.scanner.push(bytes);
    takePlain(scan);
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

function takePlain({ scanner, plain, files }: Scan): void {
  const bytes = scanner.take_plain();
  if (bytes !== undefined && bytes.length > 0) plain[files]?.push(bytes as Uint8Array<ArrayBuffer>);
}

function finish(job: number, whole: boolean): void {
  if (scan?.job !== job) return;
  const { scanner, plain } = scan;
  const json = scanner.finish(whole);
  const { timeline, files } = JSON.parse(scanner.details(Date.now() / 1000)) as Details;
  const plans: Plan[] = files.map((file, index) => ({ ...file.plan, parts: scanner.plan(index) }));
  const indexes: LineIndex[] = files.map((file, index) => ({ stride: file.stride, offsets: scanner.line_offsets(index) }));
  const result: ScanResult = {
    json,
    plans,
    timeline,
    indexes,
    looks: files.map((file) => file.looksLike),
    packed: files.map((file) => file.packed),
    plain: files.map((file, index) => plainOf(plain[index] ?? [], file.packed, json, index)),
  };
  tell({ did: "finish", job, result }, [...plans.map((plan) => plan.parts.buffer), ...indexes.map((index) => index.offsets.buffer)]);
  scanner.free();
  scan = null;
}

/** All that was unpacked, or null when some of it was too much to keep. */
function plainOf(parts: Uint8Array<ArrayBuffer>[], packed: boolean, json: string, index: number): Blob | null {
  if (!packed) return null;
  const report = JSON.parse(json) as { files: { bytes: number }[] };
  const blob = new Blob(parts);
  return blob.size === report.files[index]?.bytes ? blob : null;
}
