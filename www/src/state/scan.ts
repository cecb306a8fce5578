// One scan from the first byte to the report: reading, progress, change detection, the end state.

import { type Engine, Refused } from "../engine/engine";
import type { Order } from "../engine/protocol";
import type { Describing } from "../engine/backup";
import type { Report } from "../../../web/package/src/report";
import { AHEAD, pump, readAhead } from "../../../web/package/src/pump";
import { wholeOf } from "../read/held";
import type { Source } from "../read/source";
import { visible } from "../text/escape";
import { plural } from "../text/numbers";
import { chunkSize } from "./address";
import { readyEngine, restartIfDead } from "./ready";
import { readRedis, type Tell } from "./redis";
import * as session from "./session";
import { verdict } from "./verdict";
import { forgetFilter } from "./filter";

const PATIENCE = 20_000;
/** Drawing takes from the same cores that read and scan. */
const TELL_EVERY = 200;
const SPEAK_EVERY = 10_000;

let running: AbortController | null = null;

export async function orderOf(files: readonly Source[], folders: readonly string[], isFolder: boolean): Promise<Order> {
  return (await readyEngine()).order(files, folders, isFolder);
}

export function stop(): void {
  running?.abort();
  running = null;
}

export async function scan(list: readonly Source[], describing: Describing | null = null): Promise<void> {
  stop();
  const own = new AbortController();
  running = own;
  reset(list, describing !== null);
  const worker = await readyEngine();
  if (describing !== null) await worker.explore();
  const job = worker.job();
  const tell = progressTeller();
  worker.onFound = (from, found, records, packed) => {
    if (from !== job) return;
    const file = found[0]?.file;
    if (packed && file !== undefined && session.packed.value[file] !== true) {
      const list = [...session.packed.value];
      list[file] = true;
      session.packed.value = list;
    }
    if (found.length > 0) session.found.value = [...session.found.value, ...found];
    tell.records = records;
  };
  const began = performance.now();
  try {
    const inHistory = (at: number) => at < session.logs.value || session.isDump(at);
    const files = list.map(({ path, file, at }, place) => ({ path, at: at ?? place, size: file.size, inHistory: inHistory(place) }));
    worker.begin(job, files, session.logs.value, describing);
    const whole = await readAll(list, worker, job, own.signal, tell.read);
    if (own.signal.aborted && running !== null) return; // another scan has begun
    if (whole === "changed") return changed();
    const result = await worker.finish(job, whole === "all");
    if (running !== null && running !== own) return;
    session.elapsed.value = (performance.now() - began) / 1000;
    settle(result, whole === "all");
    // Progress is told now and then; what was seen is known exactly.
    const bytes = session.report.value?.totals.bytes ?? 0;
    if (whole === "part" && !result.packed.includes(true) && session.redis.value.length === 0) session.progress.value = { ...session.progress.value, bytes };
  } catch (error) {
    if (running === own || running === null) failed(error);
  } finally {
    if (running === own) running = null;
  }
}

/** Forgets the last result. */
export function reset(list: readonly Source[], isBackup: boolean): void {
  const total = list.reduce((sum, source) => sum + source.file.size, 0);
  session.sources.value = list;
  session.isBackup.value = isBackup;
  session.backup.value = null;
  session.progress.value = { bytes: 0, total, file: 0, fileBytes: 0, rate: 0 };
  session.report.value = null;
  session.reportText.value = "";
  session.reportSources.value = [];
  session.reasonCounts.value = [];
  session.plans.value = [];
  session.indexes.value = [];
  session.packed.value = [];
  session.plainBytes.value = [];
  session.listings.value = [];
  session.timeline.value = null;
  session.found.value = [];
  session.seenRecords.value = 0;
  session.selected.value = 0;
  session.reasonFilter.value = null;
  session.looksLike.value = null;
  session.remedies.value = [];
  session.pass.value = "read";
  session.trouble.value = null;
  forgetFilter();
  session.phase.value = "reading";
}

async function readAll(list: readonly Source[], worker: Engine, job: number, signal: AbortSignal, tell: Tell) {
  let before = 0;
  const logs = list.slice(0, session.logs.value);
  const ahead = readAhead(logs.map(({ file }) => file), chunkSize(), wholeOf);
  const given: Promise<ArrayBuffer>[] = [];
  for (const [file, { file: blob }] of logs.entries()) {
    const handoff = {
      give: (buffer: ArrayBuffer, length: number) => worker.give(job, buffer, length),
      advance: (bytes: number) => tell(before + bytes, file, bytes),
    };
    let bytes: number;
    try {
      const whole = ahead(file);
      if (whole === null) {
        bytes = await pump(blob, handoff, { chunk: chunkSize(), signal, patience: PATIENCE });
      } else {
        const buffer = await whole;
        bytes = buffer.byteLength;
        if (signal.aborted) return "part" as const;
        if (bytes > 0) given.push(handoff.give(buffer, bytes));
        given.at(-1)?.catch(() => undefined);
        // So many may be under way at the worker.
        if (given.length > AHEAD) await given.shift();
      }
    } catch (error) {
      if (isReadError(error)) return "changed" as const;
      throw error;
    }
    if (signal.aborted) return "part" as const;
    if (bytes !== blob.size) return "changed" as const;
    worker.endFile(job);
    before += bytes;
    tell(before, file, bytes, file + 1 === session.logs.value);
  }
  await Promise.all(given);
  const redis = await readRedis(list, worker, job, signal, tell).catch((error) => {
    if (isReadError(error)) return "changed" as const;
    throw error;
  });
  if (redis !== "all") return redis;
  // A file of the set may have changed after it was read, while another was: browsers that notice say so here.
  try {
    await Promise.all(list.map(({ file }) => file.slice(0, 1).arrayBuffer()));
  } catch {
    return "changed" as const;
  }
  return "all" as const;
}

/** What a File throws when it is gone, changed or locked; everything else is a fault of ours. */
function isReadError(error: unknown): boolean {
  return error instanceof DOMException;
}

function progressTeller(): { records: number; read: Tell } {
  let told = 0;
  let spoken = performance.now();
  let [markTime, markBytes, rate] = [performance.now(), 0, 0];
  const read: Tell = (bytes, file, fileBytes, now = false) => {
    const time = performance.now();
    if (!now && time - told < TELL_EVERY) return;
    told = time;
    if (time - markTime >= 500) {
      const latest = ((bytes - markBytes) / (time - markTime)) * 1000;
      rate = rate === 0 ? latest : rate * 0.6 + latest * 0.4;
      [markTime, markBytes] = [time, bytes];
    }
    const total = session.progress.value.total;
    session.progress.value = { bytes, total, file, fileBytes, rate };
    session.seenRecords.value = teller.records;
    if (time - spoken > SPEAK_EVERY) {
      spoken = time;
      session.announcement.value = `${Math.floor((bytes / Math.max(1, total)) * 100)} % read, ${plural(session.found.value.length, "anomaly", "anomalies")} so far`;
    }
  };
  const teller = { records: 0, read };
  return teller;
}

function settle(result: Awaited<ReturnType<Engine["finish"]>>, whole: boolean): void {
  const report = JSON.parse(result.json) as Report;
  session.reportSources.value = result.sources;
  session.reasonCounts.value = result.reasons;
  session.report.value = report;
  session.reportText.value = result.json;
  session.plans.value = result.plans;
  session.timeline.value = result.timeline;
  session.indexes.value = result.indexes;
  session.looksLike.value = result.looksLike;
  session.packed.value = result.packed;
  session.plainBytes.value = result.plain;
  session.listings.value = result.listings;
  session.backup.value = result.backup;
  if (result.backup !== null) session.rotation.value = report.backend === "rotating";
  session.remedies.value = result.remedies;
  // Files of the report that were not opened (missing ones) are counted on behind the sources.
  session.found.value = report.files.flatMap((seen, index) => {
    const file = result.sources[index] ?? session.sources.value.length + index;
    return seen.anomalies.map((anomaly) => ({ file, anomaly }));
  });
  session.phase.value = whole ? "done" : "cancelled";
  session.announcement.value = `${verdict().title}. ${verdict().sentence}`;
}

function changed(): void {
  const { file } = session.progress.value;
  const name = session.sources.value[file]?.path ?? "A file";
  session.trouble.value = {
    title: "Changed while it was read: no verdict",
    text: `${name} was written to, cut, moved or deleted while this page was reading it. Open a copy that is at rest, or read it again.`,
  };
  session.phase.value = "changed";
  session.announcement.value = session.trouble.value.title;
}

export function failed(error: unknown): void {
  if (error instanceof Refused) return refused(error.message);
  restartIfDead();
  session.trouble.value = {
    title: "The scan broke off: no verdict",
    text: `${error instanceof Error ? error.message : String(error)}. Read it again, or use the command line: papyra persistence scan --path FILE`,
  };
  session.phase.value = "failed";
  session.announcement.value = session.trouble.value.title;
}

/** The bytes are beyond the readers: another version, an unknown type. That is an answer, and no verdict. */
function refused(text: string): void {
  const name = session.sources.value[session.progress.value.file]?.path ?? "The file";
  session.trouble.value = { title: "Not readable: no verdict", text: `${visible(name)}: ${text}.` };
  session.phase.value = "failed";
  session.announcement.value = `${session.trouble.value.title}. ${session.trouble.value.text}`;
}
