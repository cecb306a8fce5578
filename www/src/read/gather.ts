// From a drop, a paste or a file button to a list of sources. Folders are looked into one level deep, as the scan does;
// backups two, for they may hold what recovery had set aside.

import { isBackup, logsOf, type Source, sourceOf } from "./source";

export function fromPicker(files: FileList, folder: boolean): Source[] {
  const all = [...files].map((file) => sourceOf(file));
  return folder && !isBackup(all) ? logsOf(all) : all;
}

/** Must be called in the drop event itself: the items are gone as soon as it returns. */
export function fromTransfer(transfer: DataTransfer): Promise<Source[]> {
  const waiting: Promise<Source[]>[] = [];
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    const file = item.getAsFile();
    const entry = item.webkitGetAsEntry?.() ?? null;
    const handle = entry?.isDirectory === true ? handleOf(item) : null;
    waiting.push(entry?.isDirectory === true ? fromFolder(entry as FileSystemDirectoryEntry, handle) : one(file));
  }
  return Promise.all(waiting).then((lists) => lists.flat());
}

/** Text on the clipboard becomes a file of its own. */
export function fromText(text: string): Source[] {
  return [{ file: new File([text], "pasted.ndjson", { type: "application/x-ndjson" }), path: "pasted.ndjson" }];
}

async function one(file: File | null): Promise<Source[]> {
  return file === null ? [] : [sourceOf(file, file.name)];
}

type HandleItem = DataTransferItem & { getAsFileSystemHandle?: () => Promise<FileSystemHandle | null> };

function handleOf(item: DataTransferItem): Promise<FileSystemHandle | null> | null {
  return (item as HandleItem).getAsFileSystemHandle?.().catch(() => null) ?? null;
}

async function fromFolder(entry: FileSystemDirectoryEntry, handle: Promise<FileSystemHandle | null> | null): Promise<Source[]> {
  // Under file:// Chromium lists folders through handles only; Firefox knows entries only.
  const resolved = await handle;
  const all = resolved !== null && resolved?.kind === "directory"
    ? await fromHandle(resolved as FileSystemDirectoryHandle)
    : await fromEntry(entry);
  return isBackup(all) ? all : logsOf(all);
}

type Listing = FileSystemDirectoryHandle & { values(): AsyncIterable<FileSystemHandle> };

async function fromHandle(folder: FileSystemDirectoryHandle, prefix = ""): Promise<Source[]> {
  const found: Source[] = [];
  const folders: FileSystemDirectoryHandle[] = [];
  for await (const child of (folder as Listing).values()) {
    if (child.kind === "file") found.push(sourceOf(await (child as FileSystemFileHandle).getFile(), prefix + child.name));
    else folders.push(child as FileSystemDirectoryHandle);
  }
  if (prefix === "" && isBackup(found)) {
    for (const inner of folders) found.push(...(await fromHandle(inner, `${inner.name}/`)));
  }
  return found;
}

async function fromEntry(folder: FileSystemDirectoryEntry, prefix = ""): Promise<Source[]> {
  const reader = folder.createReader();
  const found: Source[] = [];
  const folders: FileSystemDirectoryEntry[] = [];
  for (;;) {
    // At most a hundred at a time; an empty answer is the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) break;
    for (const child of batch) {
      if (!child.isFile) {
        folders.push(child as FileSystemDirectoryEntry);
        continue;
      }
      const file = await new Promise<File>((resolve, reject) => (child as FileSystemFileEntry).file(resolve, reject));
      found.push(sourceOf(file, prefix + child.name));
    }
  }
  if (prefix === "" && isBackup(found)) {
    for (const inner of folders) found.push(...(await fromEntry(inner, `${inner.name}/`)));
  }
  return found;
}
