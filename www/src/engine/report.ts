// The shape of `papyra.scan/1`, as core serialises it. Types alone; a test holds them against the Rust types.

import type { BackupReport, StreamReport } from "./redis";

export type Verdict = "clean" | "anomalies";
export type Role = "active" | "rotated" | "orphan" | "temporary" | "missing";
export type Kind = "event" | "audit" | "dead_letter" | "other";

export type RecordCounts = Record<Kind, number>;

/** A part of a damaged line that recovery keeps. Bytes, counted from the start of the file. */
export interface Salvage {
  offset: number;
  length: number;
}

export interface Anomaly {
  type: string;
  reason: string;
  /** 1-based; absent where no line is meant (a missing file). */
  line?: number;
  offset?: number;
  length?: number;
  /** The stream and the entry, where one is meant. */
  key?: string;
  id?: string;
  detail: string;
  excerpt?: string;
  salvaged?: Salvage[];
}

export interface NoteReport {
  note: string;
  count: number;
  line?: number;
  offset?: number;
  /** The entry, in a stream. */
  id?: string;
}

export interface FileReport {
  path: string;
  role: Role;
  index: number;
  bytes: number;
  lines: number;
  records: RecordCounts;
  /** Whole records in damaged lines. */
  salvageable: number;
  first_timestamp: number | null;
  last_timestamp: number | null;
  notes: NoteReport[];
  /** Listed or not. */
  anomaly_count: number;
  anomalies: Anomaly[];
  /** Of Redis backups alone. */
  backup?: BackupReport;
  streams?: StreamReport[];
}

export interface Totals {
  files: number;
  bytes: number;
  lines: number;
  records: RecordCounts;
  anomalies: number;
  notes: Record<string, number>;
  salvageable: number;
  first_timestamp: number | null;
  last_timestamp: number | null;
}

export interface Report {
  schema: string;
  tool: string;
  backend: string;
  verdict: Verdict;
  totals: Totals;
  files: FileReport[];
}

export function recordTotal(counts: RecordCounts): number {
  return counts.event + counts.audit + counts.dead_letter + counts.other;
}
