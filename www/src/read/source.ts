// A file that someone opened, and how to name it. Reading it lives in pump.ts.

export interface Source {
  readonly file: File;
  /** Relative to what is looked at: the name, or the path inside the folder. */
  readonly path: string;
  /** In a backup: the path under which it is stored there. */
  readonly stored?: string;
  /** Its place among the files that were looked at together. */
  readonly at?: number;
}

/** The two files that describe a backup and lie beside its logs. */
export const MANIFEST = "manifest.json";
export const SUMS = "SHA256SUMS";

export function sourceOf(file: File, path?: string): Source {
  return { file, path: path ?? (file.webkitRelativePath !== "" ? file.webkitRelativePath : file.name) };
}

export function describes(path: string): boolean {
  return path === MANIFEST || path === SUMS;
}

/** A page must not hang over a tree of a million files. */
export const MOST_FILES = 20_000;
