// The address's fragment: `#file=NAME&off=BYTES` names a place in a file. It never leaves the machine.
//
// `chunk=BYTES` sets the portion in which files are read; tests use it to put borders everywhere.

import { signal } from "@preact/signals";
import * as session from "./session";
import { goToOffset } from "./table";

export interface DeepLink {
  file: string;
  offset: number;
}

export const deepLink = signal<DeepLink | null>(null);

let chunk = 2 << 20;

export function chunkSize(): number {
  return chunk;
}

export function readLink(): void {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const offset = Number(fragment.get("off"));
  const file = fragment.get("file");
  deepLink.value = file !== null && Number.isSafeInteger(offset) && offset >= 0 ? { file, offset } : null;
  const asked = Number(fragment.get("chunk"));
  if (Number.isSafeInteger(asked) && asked > 0) chunk = asked;
  landOn();
}

/** Goes to the linked place once the file it names is there. */
export function landOn(): void {
  const link = deepLink.value;
  if (link === null || session.report.value === null) return;
  const file = session.sources.value.findIndex((source) => source.path === link.file);
  if (file === -1) return;
  const hit = session.found.value.findIndex(
    ({ file: at, anomaly: { offset, length } }) =>
      at === file && offset !== undefined && link.offset >= offset && link.offset < offset + Math.max(1, length ?? 0),
  );
  deepLink.value = null;
  if (hit !== -1) {
    session.reasonFilter.value = null;
    session.selected.value = hit;
  } else {
    void goToOffset(file, link.offset);
  }
}

export function linkTo(path: string, offset: number): string {
  const fragment = new URLSearchParams({ file: path, off: String(offset) });
  return `${location.href.split("#")[0]}#${fragment}`;
}
