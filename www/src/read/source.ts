// A file that someone opened, and how to name it. Reading it lives in pump.ts.

export interface Source {
  readonly file: File;
  /** Relative to what was opened: the name, or the path inside the folder. */
  readonly path: string;
}

/** Files that a folder holds beside its logs. */
const BESIDE = new Set(["manifest.json", "SHA256SUMS"]);

export function sourceOf(file: File, path?: string): Source {
  return { file, path: path ?? (file.webkitRelativePath !== "" ? insideFolder(file.webkitRelativePath) : file.name) };
}

/** What a folder scan looks at: the files directly inside, no dot-files, no manifests. */
export function logsOf(folder: readonly Source[]): Source[] {
  return folder.filter(({ path }) => !path.includes("/") && !path.startsWith(".") && !BESIDE.has(path));
}

/** "backups/events.ndjson" → "events.ndjson": the folder itself is what was opened. */
function insideFolder(path: string): string {
  return path.slice(path.indexOf("/") + 1);
}
