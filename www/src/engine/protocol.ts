// What the page and its worker say to each other. Buffers travel by transfer, there and back.

import type { BackupFiles, BackupTold, Describing } from "./backup";
import type { RedisBackup, Remedy, Want } from "./redis";
import type { Anomaly } from "./report";

/** What recovery does with one file: neighbouring stretches, in order, none left out. */
export interface Plan {
  /** Action, offset and length of each stretch, one after the other. */
  parts: Float64Array;
  /** Whether there were more parts than are listed; then nothing can be built from it. */
  truncated: boolean;
  kept_bytes: number;
  rejected_bytes: number;
  newlines: number;
}

export const KEEP = 0;
export const KEEP_AND_ADD_NEWLINE = 1;
export const REJECT = 2;

/** Records over time, or over the file where the clock is no calendar: fixed in size whatever the file holds. */
export interface Timeline {
  axis: "time" | "position";
  /** Start of the first bin and width of each: seconds, or bytes. */
  start: number;
  width: number;
  events: readonly number[];
  deadLetters: readonly number[];
  crashes: readonly number[];
  anomalies: readonly number[];
}

export interface FileInfo {
  path: string;
  size: number;
}

/** A file to be scanned. */
export interface ScannedFile extends FileInfo {
  /** Whether its records stand in the history: those of append-only files do not. */
  inHistory: boolean;
}

/** A file's two ends, by which it is told what it is. */
export interface Ends extends FileInfo {
  start: Uint8Array;
  end: Uint8Array;
}

/** In which order files are read: places among those that were given, logs first. */
export interface Order {
  order: readonly number[];
  logs: number;
  rotation: boolean;
  backups: readonly RedisBackup[];
}

/** Where to start reading for a line: every `stride`-th line's offset. */
export interface LineIndex {
  stride: number;
  offsets: Float64Array;
}

/** A row of the record table. Texts are as written in the log, cut to a length a cell can show. */
export interface Row {
  line: number;
  offset: number;
  length: number;
  kind: string;
  type: string;
  actor: string;
  time: number | null;
  payload: string;
  /** Means nothing of a line that was cut for showing. */
  damaged: boolean;
}

export type ToWorker =
  | { do: "start"; wasm: ArrayBuffer }
  /** Files that were opened together; those that the answer names are then wanted whole. */
  | { do: "look"; ask: number; files: readonly Ends[] }
  | { do: "order"; ask: number; contents: readonly { file: number; bytes: ArrayBuffer }[] }
  | { do: "backup"; ask: number; describing: Describing }
  /** So many logs; behind them the files of the Redis backups, as they were put in order last. */
  | { do: "begin"; job: number; files: readonly ScannedFile[]; logs: number; backup: Describing | null }
  /** What is to be read of the Redis backups next; `ended`: all that was wanted before has been given. */
  | { do: "want"; ask: number; job: number; ended: boolean }
  | { do: "chunk"; job: number; buffer: ArrayBuffer; length: number }
  | { do: "end-file"; job: number }
  | { do: "finish"; job: number; whole: boolean }
  | { do: "rows"; ask: number; bytes: ArrayBuffer; offset: number; line: number }
  | { do: "filter"; job: number; query: string; kinds: readonly string[] }
  | { do: "end-filter"; job: number };

export type FromWorker =
  | { did: "ready"; tool: string; notes: Record<string, string> }
  | { did: "look"; ask: number; unsure: readonly number[] }
  | ({ did: "order"; ask: number } & Order)
  | { did: "backup"; ask: number; backup: BackupFiles }
  /** `refused`: why the backup cannot be read, if it cannot. */
  | { did: "want"; ask: number; want: Want | null; refused: string | null }
  /** `enough`: the rest of what was wanted is not needed. */
  | { did: "chunk"; job: number; buffer: ArrayBuffer; found: readonly NewFinding[]; records: number; enough: boolean }
  /** The answer to a chunk while filtering: places are triples of line, offset, length; total counts all so far. */
  | { did: "hits"; job: number; buffer: ArrayBuffer | null; places: Float64Array; total: number }
  | { did: "finish"; job: number; result: ScanResult }
  | { did: "rows"; ask: number; rows: Row[] }
  /** Still at work on what was given. */
  | { did: "busy" }
  | { did: "fail"; message: string };

export interface NewFinding {
  file: number;
  anomaly: Anomaly;
}

/** The records of a Redis dump, or of streams in a backup, as the lines of a log. */
export interface Listing {
  /** The file's place among all. */
  file: number;
  lines: number;
  index: LineIndex;
  /** Null when they were too many to keep. */
  text: Blob | null;
}

export interface ScanResult {
  /** papyra.scan/1, to the byte what the command line prints. */
  json: string;
  plans: readonly Plan[];
  timeline: Timeline | null;
  indexes: readonly LineIndex[];
  /** What the first bytes look like when this is no log at all, in words: "a PNG picture". */
  looksLike: string | null;
  /** Which files are compressed, and their plain bytes where they were few enough to keep. */
  packed: readonly boolean[];
  plain: readonly (Blob | null)[];
  listings: readonly Listing[];
  /** What is said of the backup that the files belong to. */
  backup: BackupTold | null;
  /** For each Redis backup. */
  remedies: readonly Remedy[];
}
