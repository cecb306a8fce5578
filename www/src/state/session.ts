// What the page knows: one signal per fact, and what follows from them. Who changes them: state/actions.ts.

import { computed, signal } from "@preact/signals";
import type { BackupTold } from "../engine/backup";
import type { LineIndex, Listing, Plan, Timeline } from "../engine/protocol";
import type { Pass, RedisBackup, Remedy } from "../engine/redis";
import type { Anomaly, FileReport, Report } from "../engine/report";
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

export const selected = signal(0);
export const reasonFilter = signal<string | null>(null);
export const singleKeys = signal(true);
/** Spoken by screen readers, rarely. */
export const announcement = signal("");
/** A passing confirmation: "Copied". */
export const toast = signal("");

export type Dialog = "none" | "help" | "privacy" | "goto" | "paste" | "replace";
export const dialog = signal<Dialog>("none");
/** Opened while there was a result: waits for the answer of the "replace" dialog. */
export const waiting = signal<readonly Source[]>([]);

export const shown = computed(() => {
  const reason = reasonFilter.value;
  return reason === null ? found.value : found.value.filter((entry) => entry.anomaly.reason === reason);
});

export const current = computed(() => shown.value[Math.min(selected.value, shown.value.length - 1)] ?? null);

/** Findings by reason, most frequent first. */
export const reasons = computed(() => {
  const counts = new Map<string, number>();
  for (const { anomaly } of found.value) counts.set(anomaly.reason, (counts.get(anomaly.reason) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
});

/** How many of the sources are logs: the first so many. */
export const logs = computed(() => sources.value.length - new Set(redis.value.flatMap(({ files, beside }) => [...files, ...beside])).size);

export const totalBytes = computed(() => sources.value.reduce((sum, source) => sum + source.file.size, 0));

/** A short name for what is open: the file's, or the set's. */
export const title = computed(() => {
  const [first, ...rest] = sources.value;
  if (first === undefined) return "";
  return rest.length === 0 ? first.path : `${first.path} and ${rest.length} more`;
});

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

/** What the report says of a file. */
export function seenOf(file: number): FileReport | undefined {
  const path = pathOf(file);
  return report.value?.files.find((seen) => seen.path === path);
}

/** Whether a file is a Redis dump or payload. */
export function isDump(file: number): boolean {
  return redis.value.some(({ what, files }) => what !== "aof" && files.includes(file));
}
