// What the page knows: one signal per fact, and what follows from them. Who changes them: state/actions.ts.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { anomalyColumns, sorted } from "./columns";
import type { BackupTold } from "../engine/backup";
import type { LineIndex, Listing, LogSet, PassedOver, Plan, Timeline } from "../engine/protocol";
import type { Pass, RedisBackup, Remedy } from "../engine/redis";
import type { Anomaly, FileReport, Report } from "../../../web/package/src/report";
import type { Source } from "../read/source";

export type Phase =
  /** Nothing opened yet. */
  | "empty"
  | "reading"
  /** Read to the end: there is a verdict. */
  | "done"
  /** A file grew, shrank or vanished while it was read: no verdict. */
  | "changed"
  /** Stopped by the user: what was seen so far, no verdict. */
  | "cancelled"
  /** A backup that describes itself in a way not to be trusted: nothing was read. */
  | "refused"
  /** The scan itself broke off. */
  | "failed";

export interface Progress {
  bytes: number;
  total: number;
  /** Which source is being read, and how much of it. */
  file: number;
  fileBytes: number;
  /** Bytes a second over the last moments; 0 until known. */
  rate: number;
}

export interface Trouble {
  title: string;
  text: string;
}

/** An anomaly and where it was found. `file` is the index in the report. */
export interface Found {
  file: number;
  anomaly: Anomaly;
}

export const engineState = signal<"starting" | "ready" | "refused">("starting");
export const engineTrouble = signal("");

/** Core's words for each note, as the end of "N records …". */
export const noteMeanings = signal<Readonly<Record<string, string>>>({});

export const phase = signal<Phase>("empty");
/** All files as they were opened, a backup's manifest among them. */
export const opened = signal<readonly Source[]>([]);
/** Those that are read, in reading order. */
export const sources = signal<readonly Source[]>([]);
/** Whether they are a backup, whose manifest says what they are. */
export const isBackup = signal(false);
/** What the verification of the backup says, once all of it was read. */
export const backup = signal<BackupTold | null>(null);
/** True when the files' names form a rotation set, whose order then matters. */
export const rotation = signal(false);
/** The logs and rotation sets among the sources. */
export const sets = signal<readonly LogSet[]>([]);
/** What was opened with them and is not read, and why. */
export const aside = signal<readonly PassedOver[]>([]);
/** Which of a Redis server's files it would load, where that depends on its settings. */
export const loaded = signal<string | null>(null);
/** The archive that the sources came out of, if they did. */
export const archive = signal<string | null>(null);
/** The archive that the sources came out of could not be read completely; why. */
export const broken = signal<{ archive: string; why: string } | null>(null);
/** Redis backups among the sources; their files stand behind the logs. */
export const redis = signal<readonly RedisBackup[]>([]);
export const pass = signal<Pass>("read");
/** What brings out what is whole, for each of them. */
export const remedies = signal<readonly Remedy[]>([]);
export const progress = signal<Progress>({ bytes: 0, total: 0, file: 0, fileBytes: 0, rate: 0 });
export const trouble = signal<Trouble | null>(null);
/** Seconds from the first byte read to the report. */
export const elapsed = signal(0);
/** What the first bytes look like when they are no Papyra log: "a PNG picture". */
export const looksLike = signal<string | null>(null);

export const report = signal<Report | null>(null);
/** The report exactly as core wrote it. */
export const reportText = signal("");
/** For each file of the report: which source it is, and its anomalies by reason, listed or not. */
export const reportSources = signal<readonly (number | null)[]>([]);
export const reasonCounts = signal<readonly Readonly<Record<string, number>>[]>([]);
export const plans = signal<readonly Plan[]>([]);
export const timeline = signal<Timeline | null>(null);
/** Findings as they arrive; the report's own once there is one. */
export const found = signal<readonly Found[]>([]);

/** Intact records seen while the scan still runs. */
export const seenRecords = signal(0);
export const indexes = signal<readonly LineIndex[]>([]);

/** Which sources are compressed, and what was unpacked of them, up to a limit. */
export const packed = signal<readonly boolean[]>([]);
export const plainBytes = signal<readonly (Blob | null)[]>([]);

/** The records of Redis dumps, and of streams in a backup. */
export const listings = signal<readonly Listing[]>([]);

/** For each source, from where to where its records have the times that a filter asks for; null without such a filter. */
export const timeExtents = signal<readonly (readonly [number, number] | null)[] | null>(null);
export const selected = signal(0);
export const reasonFilter = signal<string | null>(null);
export const singleKeys = signal(true);
/** Spoken by screen readers, rarely. */
export const announcement = signal("");
/** A passing confirmation: "Copied". */
export const toast = signal("");

export type Dialog = "none" | "help" | "query" | "privacy" | "goto" | "paste" | "replace";
export const dialog = signal<Dialog>("none");
/** Opened while there was a result: waits for the answer of the "replace" dialog. */
export const waiting = signal<readonly Source[]>([]);

export const shown = computed(() => {
  const [reason, extents] = [reasonFilter.value, timeExtents.value];
  const list = reason === null && extents === null ? found.value
    : found.value.filter((entry) => (reason === null || entry.anomaly.reason === reason) && (extents === null || isWithin(entry, extents)));
  return sorted(anomalyColumns, list);
});

/** What has no place in a file belongs to no time. */
function isWithin({ file, anomaly: { offset } }: Found, extents: readonly (readonly [number, number] | null)[]): boolean {
  const extent = extents[file];
  return extent !== undefined && extent !== null && offset !== undefined && offset >= extent[0] && offset <= extent[1];
}

export const current = computed(() => shown.value[Math.min(selected.value, shown.value.length - 1)] ?? null);

/** Findings by reason, most frequent first: all of them once core has counted them, those that came in before. */
export const reasons = computed(() => {
  const counts = new Map<string, number>();
  const add = (reason: string, times: number) => counts.set(reason, (counts.get(reason) ?? 0) + times);
  if (reasonCounts.value.length > 0) {
    for (const counted of reasonCounts.value) for (const [reason, times] of Object.entries(counted)) add(reason, times);
  } else {
    for (const { anomaly } of found.value) add(anomaly.reason, 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]);
});

/** How many of the sources are logs: the first so many. */
export const logs = computed(() => sources.value.length - new Set(redis.value.flatMap(({ files, beside }) => [...files, ...beside])).size);

export const totalBytes = computed(() => sources.value.reduce((sum, source) => sum + source.file.size, 0));

/** A short name for what is open: the folder's or the archive's, else the file's, or the set's. */
export const unitName = signal("");
export const title = computed(() => {
  if (unitName.value !== "") return unitName.value;
  const [first, ...rest] = sources.value;
  if (first === undefined) return "";
  return rest.length === 0 ? first.path : `${first.path} and ${rest.length} more`;
});

/** All that belongs to what is being looked at: kept aside while something else of what was opened is shown. */
const OWN = {
  phase, sources, isBackup, backup, rotation, sets, aside, archive, broken, redis, remedies, pass, progress, trouble, elapsed, looksLike, report, reportText,
  reportSources, reasonCounts, plans, timeline, found, seenRecords, indexes, packed, plainBytes, listings, unitName,
};

export type Kept = { readonly [Name in keyof typeof OWN]: (typeof OWN)[Name] extends ReadonlySignal<infer Value> ? Value : never };

export function keep(): Kept {
  return Object.fromEntries(Object.entries(OWN).map(([name, held]) => [name, held.peek()])) as Kept;
}

export function bring(kept: Kept): void {
  batch(() => {
    for (const [name, held] of Object.entries(OWN)) (held as Signal<unknown>).value = kept[name as keyof Kept];
    selected.value = 0;
    reasonFilter.value = null;
  });
}

/** The path of the file that something was found in. */
export function pathOf(file: number): string {
  const list = sources.value;
  return list[file]?.path ?? report.value?.files[file - list.length]?.path ?? "";
}

/** A source's plain bytes for random access: the file itself, or what was unpacked of it, if that was kept. */
export function bytesOf(file: number): Blob | null {
  const unpacked = plainBytes.value[file];
  if (unpacked !== undefined && unpacked !== null) return unpacked;
  return packed.value[file] === true ? null : (sources.value[file]?.file ?? null);
}

const bySource = computed(() => {
  const seen = new Map<number, FileReport>();
  reportSources.value.forEach((source, at) => {
    const file = report.value?.files[at];
    if (source !== null && file !== undefined) seen.set(source, file);
  });
  return seen;
});

/** What the report says of a source. Two may have one name: they are told by their place. */
export function seenOf(file: number): FileReport | undefined {
  return bySource.value.get(file) ?? report.value?.files[file - sources.value.length];
}

/** Whether a file is a Redis dump or payload. */
export function isDump(file: number): boolean {
  return redis.value.some(({ what, files }) => what !== "aof" && files.includes(file));
}
