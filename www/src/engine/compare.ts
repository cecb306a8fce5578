// What a comparison needs and what it says, as core serialises it. Types alone.

import type { Describing } from "./backup";

/** One of two histories: a backup, or logs. */
export interface ComparedSide {
  name: string;
  /** Places of files are those among its paths. */
  backup: Describing | null;
  logs: readonly { base: string; names: readonly string[]; places: readonly number[] }[];
  /** What it holds beside its logs and cannot be compared. */
  others: readonly string[];
}

/** The next bytes of this file of this side are needed. */
export interface Wanted {
  side: number;
  file: number;
}

/** Where a record stands. */
export interface ComparedPlace {
  file: string;
  line: number;
  offset: number;
  length: number;
}

/** papyra.diff/1 */
export interface Diff {
  append_only: boolean;
  logs: readonly {
    append_only: boolean;
    changes: readonly { kind: string; old: ComparedPlace | null; new: ComparedPlace | null }[];
  }[];
}

export interface Comparison {
  /** papyra.diff/1, to the byte what the command line prints. */
  json: string;
  /** Log by log: what has become of it, in core's words. */
  logs: readonly { says: string; facts: string; changes: readonly string[]; unlisted: number }[];
}
