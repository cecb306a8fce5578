// Redis backups: which of the opened files are some, what the engine wants to read of them, and what is told of them.
// Types alone; the shape of the report's part is tested against the Rust types.

/** One backup among the opened files, which stand in the order that the engine gave. */
export interface RedisBackup {
  what: "rdb" | "dump" | "aof";
  /** The manifest's name, of an append-only folder. */
  manifest: string | null;
  /** Places of its files, in the order of reading. */
  files: number[];
  /** Places of the manifest, and of files that the server no longer needs. */
  beside: number[];
}

/** Bytes that come next, of the file at this place. */
export interface Want {
  file: number;
  from: number;
  to: number;
  pass: Pass;
}

/** For the first time; again, to find commands after damage; again, for the state that comes of what is kept. */
export type Pass = "read" | "search" | "replay";

/** What brings out what is whole: an export, or a repair of the append-only files. */
export type Remedy = "export" | "recover";

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
