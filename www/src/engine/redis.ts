// Redis backups: which of the opened files are some, and what the engine wants to read of them. Types alone.

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
