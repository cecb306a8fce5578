// A file that someone opened, and how to name it. Reading it lives in pump.ts.

export interface Source {
  readonly file: File;
  /** Relative to what was opened: the name, or the path inside the folder. */
  readonly path: string;
  /** In a backup: the path under which it is stored there. */
  readonly stored?: string;
}

/** The two files that describe a backup and lie beside its logs. */
export const MANIFEST = "manifest.json";
export const SUMS = "SHA256SUMS";

export function sourceOf(file: File, path?: string): Source {
  return { file, path: path ?? (file.webkitRelativePath !== "" ? insideFolder(file.webkitRelativePath) : file.name) };
}

/** What a folder scan looks at: the files directly inside, no dot-files, no manifests. */
export function logsOf(folder: readonly Source[]): Source[] {
  return folder.filter(({ path }) => !path.includes("/") && !path.startsWith(".") && !describes(path));
}

/** Whether these are the files of a backup: then one of the two that describe it is among them. */
export function isBackup(files: readonly Source[]): boolean {
  return files.length > 1 && files.some(({ path }) => describes(path));
}

function describes(path: string): boolean {
  return path === MANIFEST || path === SUMS;
}

/** "backups/events.ndjson" → "events.ndjson": the folder itself is what was opened. */
function insideFolder(path: string): string {
  return path.slice(path.indexOf("/") + 1);
}
