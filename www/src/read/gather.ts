// From a drop, a paste or a file button to a list of sources, those of folders with their whole paths.

import { MOST_FILES, type Source, sourceOf } from "./source";

export function fromPicker(files: FileList): Source[] {
  return [...files].slice(0, MOST_FILES).map((file) => sourceOf(file));
}

/** Must be called in the drop event itself: the items are gone as soon as it returns. */
export function fromTransfer(transfer: DataTransfer): Promise<Source[]> {
  const waiting: Promise<Source[]>[] = [];
  const names = new Map<string, number>();
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    const file = item.getAsFile();
    const entry = item.webkitGetAsEntry?.() ?? null;
    if (entry?.isDirectory !== true) {
      waiting.push(Promise.resolve(file === null ? [] : [sourceOf(file, file.name)]));
      continue;
    }
    // Two folders of one name are two folders.
    const times = (names.get(entry.name) ?? 0) + 1;
    names.set(entry.name, times);
    const name = times === 1 ? entry.name : `${entry.name} (${times})`;
    waiting.push(fromFolder(entry as FileSystemDirectoryEntry, handleOf(item), `${name}/`));
  }
  return Promise.all(waiting).then((lists) => lists.flat());
}

/** Text on the clipboard becomes a file of its own. */
export function fromText(text: string): Source[] {
  return [{ file: new File([text], "pasted.ndjson", { type: "application/x-ndjson" }), path: "pasted.ndjson" }];
}

type HandleItem = DataTransferItem & { getAsFileSystemHandle?: () => Promise<FileSystemHandle | null> };

function handleOf(item: DataTransferItem): Promise<FileSystemHandle | null> | null {
  return (item as HandleItem).getAsFileSystemHandle?.().catch(() => null) ?? null;
}

async function fromFolder(entry: FileSystemDirectoryEntry, handle: Promise<FileSystemHandle | null> | null, prefix: string): Promise<Source[]> {
  // Under file:// Chromium lists folders through handles only; Firefox knows entries only.
  const resolved = await handle;
  const found: Source[] = [];
  if (resolved !== null && resolved?.kind === "directory") await fromHandle(resolved as FileSystemDirectoryHandle, prefix, found);
  else await fromEntry(entry, prefix, found);
  return found;
}

type Listing = FileSystemDirectoryHandle & { values(): AsyncIterable<FileSystemHandle> };

async function fromHandle(folder: FileSystemDirectoryHandle, prefix: string, found: Source[]): Promise<void> {
  for await (const child of (folder as Listing).values()) {
    if (found.length >= MOST_FILES) return;
    if (child.kind === "file") found.push(sourceOf(await (child as FileSystemFileHandle).getFile(), prefix + child.name));
    else await fromHandle(child as FileSystemDirectoryHandle, `${prefix}${child.name}/`, found);
  }
}

async function fromEntry(folder: FileSystemDirectoryEntry, prefix: string, found: Source[]): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    // At most a hundred at a time; an empty answer is the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return;
    for (const child of batch) {
      if (found.length >= MOST_FILES) return;
      if (child.isFile) {
        const file = await new Promise<File>((resolve, reject) => (child as FileSystemFileEntry).file(resolve, reject));
        found.push(sourceOf(file, prefix + child.name));
      } else {
        await fromEntry(child as FileSystemDirectoryEntry, `${prefix}${child.name}/`, found);
      }
    }
  }
}
