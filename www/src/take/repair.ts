// The repaired file and the rejected bytes, put together from slices of what was opened.
//
// A Blob of slices costs no memory, but tens of thousands of slices cost minutes: stretches shorter than a portion are
// copied into portions, longer ones stay slices.

import { KEEP_AND_ADD_NEWLINE, type Plan, REJECT } from "../engine/protocol";

const PORTION = 4 << 20;
const NEWLINE = 0x0a;

export function repairedOf(file: Blob, plan: Plan): Promise<Blob> {
  return assemble(file, plan.parts, (action) => action !== REJECT);
}

/** These stretches of a file, one behind the other. */
export function keptOf(file: Blob, parts: Float64Array): Promise<Blob> {
  return assemble(file, parts, () => true);
}

export function rejectedOf(file: Blob, plan: Plan): Promise<Blob> {
  return assemble(file, plan.parts, (action) => action === REJECT);
}

async function assemble(file: Blob, parts: Float64Array, wanted: (action: number) => boolean): Promise<Blob> {
  const pieces: BlobPart[] = [];
  const window = new Window(file);
  let portion = new Uint8Array(PORTION);
  let filled = 0;
  const flush = () => {
    if (filled === 0) return;
    // A Blob of its own lets the browser move the bytes out of this page's memory.
    pieces.push(new Blob([portion.subarray(0, filled)]));
    portion = new Uint8Array(PORTION);
    filled = 0;
  };
  for (let at = 0; at < parts.length; at += 3) {
    const [action, offset, length] = [parts[at] ?? 0, parts[at + 1] ?? 0, parts[at + 2] ?? 0];
    if (!wanted(action)) continue;
    if (length >= PORTION) {
      flush();
      pieces.push(file.slice(offset, offset + length));
    } else {
      if (filled + length + 1 > PORTION) flush();
      portion.set(await window.bytes(offset, length), filled);
      filled += length;
    }
    if (action === KEEP_AND_ADD_NEWLINE) {
      portion[filled] = NEWLINE;
      filled += 1;
    }
  }
  flush();
  return new Blob(pieces, { type: "application/x-ndjson" });
}

/** A stretch of the file held in memory, so that many short reads become one. */
class Window {
  #start = 0;
  #bytes = new Uint8Array();

  constructor(readonly file: Blob) {}

  async bytes(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#start || offset + length > this.#start + this.#bytes.length) {
      this.#start = offset;
      this.#bytes = new Uint8Array(await this.file.slice(offset, offset + Math.max(length, PORTION)).arrayBuffer());
    }
    return this.#bytes.subarray(offset - this.#start, offset - this.#start + length);
  }
}

/** Never the original's name, nor one that starts with it: Papyra takes such files for members of the set. */
export function repairedName(path: string): string {
  return `repaired-${base(path)}`;
}

export function rejectedName(path: string): string {
  return `rejected-${base(path)}`;
}

function base(path: string): string {
  // What comes out of a packed log is plain.
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.(gz|zst)$/, "");
}

export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  // Long enough for the download to have begun, also of a large file on a slow machine.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
