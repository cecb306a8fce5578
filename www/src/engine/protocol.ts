// What the page and its worker say to each other. Buffers travel by transfer, there and back.

import type { BackupFiles, BackupTold, Describing } from "./backup";
import type { RedisBackup, Remedy, Want } from "./redis";
import type { ComparedSide, Comparison, Wanted } from "./compare";
import type { Anomaly } from "../../../web/package/src/report";

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
  restarts: readonly number[];
  anomalies: readonly number[];
  /** The earliest and the latest time of a record in seconds, outliers left out. */
  span: readonly [number, number] | null;
  /** Records whose time is far from all others: they are not on the time axis. */
  outliers: { count: number; span: readonly [number, number] | null };
}

export interface FileInfo {
  path: string;
  size: number;
}

/** A file to be scanned. */
export interface ScannedFile extends FileInfo {
  /** Its place among the files that were read together. */
  at: number;
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
  sets: readonly LogSet[];
  /** What is there and is not a log, and why it is not read. */
  aside: readonly PassedOver[];
  /** Which of a Redis server's files it would load, where that depends on its settings. */
  loaded: string | null;
  /** Folders of append-only files, whose files belong to what was opened. */
  appendOnly: readonly string[];
}

/** A log, or the files of a rotation set. */
export interface LogSet {
  /** The active file's name. */
  base: string;
  rotating: boolean;
  /** Places of its files in the order of reading. */
  files: readonly number[];
}

/** Something that is not read, in the words of the report. */
export interface PassedOver {
  path: string;
  reason: string;
}

/** A file of an archive: its bytes where they were unpacked, or where in the archive they lie. */
export interface ArchiveMember {
  path: string;
  bytes: Blob | null;
  place: readonly [number, number] | null;
  /** False where its own checksum says otherwise, or it was cut off. */
  intact: boolean;
}

export interface Unpacked {
  members: readonly ArchiveMember[];
  /** What is no file whose bytes could be read. */
  others: readonly PassedOver[];
  /** Why the archive could not be read completely. */
  fault: string | null;
  /** It holds more than is unpacked here. */
  tooLarge: boolean;
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
  /** The parts of the type, the actor and the payload that the query speaks of: beginnings and ends in turn. */
  marks: readonly (readonly number[])[];
}

/** Names and how often each was seen; how many names there are, and how often any beyond those counted one by one was seen. */
export interface Names {
  names: readonly (readonly [string, number])[];
  count: number;
  beyond: number;
}

/** Who failed: the most frequent first, up to a limit. */
export interface Ranked {
  actors: readonly { name: string; crashes: number; restarts: number; last: number | null; reason: string; storms: number }[];
  actorCount: number;
  beyond: number;
  targets: Names;
  messages: Names;
  reasons: Names;
  events: Names;
}

/** What the hits of a query come to. */
export interface Found {
  timeline: Timeline;
  ranked: Ranked;
}

/** A file as a search sees it: its name, the bytes before it in the history, and its size for a byte of its plain text. */
export interface Searched {
  path: string;
  base: number;
  scale: number;
}

export type ToWorker =
  | { do: "start"; wasm: ArrayBuffer }
  | { do: "explore"; wasm: ArrayBuffer }
  /** Files that were opened together; those that the answer names are then wanted whole. */
  | { do: "look"; ask: number; files: readonly Ends[]; folders: readonly string[]; isFolder: boolean }
  /** Which of these files are archives of files: tar or zip. */
  | { do: "archives"; ask: number; heads: readonly Uint8Array[] }
  | { do: "unpack"; job: number; head: Uint8Array }
  | { do: "end-unpack"; job: number; ask: number }
  | { do: "order"; ask: number; contents: readonly { file: number; bytes: ArrayBuffer }[] }
  | { do: "backup"; ask: number; describing: Describing }
  /** So many logs; behind them the files of the Redis backups, as they were put in order last. */
  | { do: "begin"; job: number; files: readonly ScannedFile[]; logs: number; backup: Describing | null }
  /** What is to be read of the Redis backups next; `ended`: all that was wanted before has been given. */
  | { do: "want"; ask: number; job: number; ended: boolean }
  | { do: "chunk"; job: number; buffer: ArrayBuffer; length: number }
  | { do: "end-file"; job: number }
  | { do: "finish"; job: number; whole: boolean }
  | { do: "rows"; ask: number; bytes: ArrayBuffer; offset: number; line: number; query: string }
  /** What is wrong with this query. */
  | { do: "query"; ask: number; query: string }
  /** A search in files of so many bytes in all, of whose hits so many are listed; `csv`: it makes rows of what it finds. */
  | { do: "search"; job: number; query: string; total: number; listed: number; csv: boolean }
  | { do: "search-file"; job: number; file: Searched }
  | { do: "end-search-file"; job: number }
  /** Compares two sides, the older one first. */
  | { do: "compare"; ask: number; sides: readonly [ComparedSide, ComparedSide] }
  /** The next bytes of the file that is wanted; null: it is over. */
  | { do: "compare-bytes"; ask: number; side: number; buffer: ArrayBuffer | null }
  | { do: "compared"; ask: number; old: string; new: string };

export type FromWorker =
  | { did: "ready"; tool: string; notes: Record<string, string> }
  | { did: "look"; ask: number; unsure: readonly number[] }
  | { did: "archives"; ask: number; archives: readonly (string | null)[] }
  | { did: "unpacked"; ask: number; unpacked: Unpacked }
  | ({ did: "order"; ask: number } & Order)
  | { did: "backup"; ask: number; backup: BackupFiles }
  /** `refused`: why the backup cannot be read, if it cannot. */
  | { did: "want"; ask: number; want: Want | null; refused: string | null }
  /** `enough`: the rest of what was wanted is not needed. */
  | { did: "chunk"; job: number; buffer: ArrayBuffer; found: readonly NewFinding[]; records: number; enough: boolean; packed: boolean }
  | { did: "query"; ask: number; wrong: string | null }
  | ({ did: "hits"; job: number; buffer: ArrayBuffer | null } & Hits)
  | { did: "finish"; job: number; result: ScanResult }
  | { did: "rows"; ask: number; rows: Row[] }
  /** `wanted` is null when both sides were read; `refused`: why one of them cannot be compared. */
  | { did: "compare"; ask: number; wanted: Wanted | null; refused: string | null }
  | { did: "compared"; ask: number; comparison: Comparison }
  /** Still at work on what was given. */
  | { did: "busy" }
  | { did: "fail"; message: string };

/** What a search has found since the last time. */
export interface Hits {
  /** Triples of line, offset and length. */
  places: Float64Array;
  csv: Uint8Array<ArrayBuffer>;
  /** All so far, those of earlier files too. */
  total: number;
  /** Told now and then, and at the end of each file. */
  found: Found | null;
  /** At the end of a file: where the first line begins and the last one ends whose time is asked for; empty when there is none. */
  extent: Float64Array | null;
}

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
  /** What the first bytes look like when this is not a log at all, in words: "a PNG picture". */
  looksLike: string | null;
  /** Which files are compressed, and their plain bytes where they were few enough to keep. */
  packed: readonly boolean[];
  plain: readonly (Blob | null)[];
  listings: readonly Listing[];
  /** What is said of the backup that the files belong to. */
  backup: BackupTold | null;
  /** For each Redis backup. */
  remedies: readonly Remedy[];
  /** For each file of the report: which of the files that were read it is, and its anomalies by reason, listed or not. */
  sources: readonly (number | null)[];
  reasons: readonly Readonly<Record<string, number>>[];
}
