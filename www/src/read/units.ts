// From all files that were opened together to what is looked at by itself: loose files, each folder, each backup.
//
// Which files of a folder are logs is for core; here only folders are told apart.

import { type Source, describes } from "./source";

export interface Unit {
  /** The folder's path as it was opened; empty for files that were opened by themselves. */
  readonly name: string;
  readonly kind: "files" | "folder" | "backup";
  /** Paths are relative to the folder. */
  readonly files: readonly Source[];
  /** The folders in it, each of which is a unit of its own when it holds files: their names, and FOLDER/FILE for what lies in them. */
  readonly folders: readonly string[];
  /** The archive that the files came out of, as it was opened. */
  readonly archive?: string;
  /** That archive could not be read completely; why. */
  readonly broken?: { archive: string; why: string };
}

/** Units by name; a folder's own files come before those of the folders in it. */
export function unitsOf(opened: readonly Source[]): Unit[] {
  const byFolder = new Map<string, Source[]>();
  for (const source of opened) {
    const at = source.path.lastIndexOf("/");
    const folder = at === -1 ? "" : source.path.slice(0, at);
    const list = byFolder.get(folder);
    if (list === undefined) byFolder.set(folder, [source]);
    else list.push(source);
  }
  const folders = [...byFolder.keys()].sort();
  const backups = folders.filter((folder) => isBackup(opened, folder));
  const units: Unit[] = [];
  for (const folder of folders) {
    const outer = backups.find((backup) => backup !== folder && isIn(folder, backup));
    if (outer !== undefined) continue;
    const isWhole = backups.includes(folder);
    const prefix = folder === "" ? "" : `${folder}/`;
    const files = isWhole
      ? opened.filter(({ path }) => isIn(path, folder)).map((source) => ({ ...source, path: source.path.slice(prefix.length) }))
      : (byFolder.get(folder) ?? []).map((source) => ({ ...source, path: source.path.slice(prefix.length) }));
    const within = new Set<string>();
    for (const other of folders) {
      if (other === folder || !isIn(other, folder)) continue;
      const inner = other.slice(prefix.length);
      within.add(inner.split("/")[0] ?? "");
      if (!inner.includes("/")) for (const { path } of byFolder.get(other) ?? []) within.add(path.slice(prefix.length));
    }
    for (const part of apart(files)) {
      units.push({ name: folder, kind: isWhole ? "backup" : folder === "" ? "files" : "folder", files: part, folders: isWhole ? [] : [...within].sort() });
    }
  }
  return units;
}

/** One of the two files that describe a backup is there, and others with it. */
function isBackup(opened: readonly Source[], folder: string): boolean {
  const own = opened.filter(({ path }) => isIn(path, folder));
  return own.length > 1 && own.some(({ path }) => describes(folder === "" ? path : path.slice(folder.length + 1)));
}

function isIn(path: string, folder: string): boolean {
  return folder === "" || path.startsWith(`${folder}/`);
}

/** Files of one name are not of one folder: each of them is looked at by itself. */
function apart(files: readonly Source[]): Source[][] {
  const parts: Source[][] = [];
  const times = new Map<string, number>();
  for (const source of files) {
    const part = times.get(source.path) ?? 0;
    times.set(source.path, part + 1);
    (parts[part] ??= []).push(source);
  }
  return parts.length === 0 ? [[]] : parts;
}
