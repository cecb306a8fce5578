// What a verification says beside the report, as core serialises it. Types alone.

/** A stored file that is not what was written. */
export interface Damage {
  /** The stored file. */
  file: string;
  /** Where its content first differs, and how many bytes from there on are in doubt; null when nothing tells. */
  offset: number | null;
  length: number | null;
  detail: string;
  /** Whether recovery would bring back what the file held. */
  recovery: string;
}

export interface BackupTold {
  name: string;
  /** RFC 3339, UTC. */
  created: string;
  madeBy: string;
  compression: string;
  /** Files that the manifest lists. */
  files: number;
  /** Stored bytes that were read. */
  bytes: number;
  damage: readonly Damage[];
  /** Files in the folder that are no part of the backup. */
  foreign: readonly string[];
}

/** A backup's files in reading order: their positions among those opened, and the paths that they were copied from. */
export interface BackupFiles {
  /** Why the backup is not verified. */
  refused?: string;
  files?: readonly { at: number; path: string }[];
}

/** The two files that describe a backup, and the paths of all files in its folder. */
export interface Describing {
  manifest: ArrayBuffer;
  sums: ArrayBuffer;
  paths: readonly string[];
}
