// The shape of `papyra.scan/1`, as core serialises it; a test holds it against the Rust types.

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
  /** Intact records in damaged lines. */
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

export type Checksum = "verified" | "mismatch" | "not_checksummed" | "not_reached";

/** What a backup file says of itself. */
export interface BackupReport {
  format: "rdb" | "dump" | "aof" | "manifest";
  header?: { vendor: "redis" | "valkey"; version: number };
  checksum?: Checksum;
  commands?: number;
  other_keys: number;
  /** Some of their names. */
  other_names?: string[];
  other_streams: number;
}

export interface ConsumerReport {
  name: string;
  pending: number;
  /** Unix milliseconds. */
  seen_time: number;
  active_time?: number;
}

export interface GroupReport {
  name: string;
  last_delivered: string;
  entries_read?: number;
  pending: number;
  consumers: ConsumerReport[];
}

export interface StreamReport {
  db: number;
  key: string;
  /** Absent for a stream that is not Papyra's. */
  papyra?: { prefix: string; system_id: string; kind: "events" | "audits" | "dead_letters" };
  offset: number;
  expire_ms?: number;
  length: number;
  entries: number;
  first_id: string | null;
  last_id: string;
  max_deleted_id: string;
  entries_added: number;
  groups: number;
  consumers: number;
  pending: number;
  producers?: number;
  records: { event: number; audit: number; dead_letter: number; other: number };
  bad_entries: number;
  first_timestamp: number | null;
  last_timestamp: number | null;
  incomplete?: boolean;
  consumer_groups: GroupReport[];
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

/** All records, whatever their kind. */
export function recordTotal(counts: RecordCounts): number {
  return counts.event + counts.audit + counts.dead_letter + counts.other;
}
