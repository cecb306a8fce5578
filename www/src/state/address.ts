// The address's fragment: `#file=NAME&off=BYTES` names a place in a file, `#q=QUERY` a filter. It never leaves the machine.
//
// `chunk=BYTES` sets the portion in which files are read; tests use it to put borders everywhere.

import { signal } from "@preact/signals";

export interface DeepLink {
  file: string;
  offset: number;
}

export const deepLink = signal<DeepLink | null>(null);

/** A filter that waits for something to be opened. */
let pending: string | null = null;
let chunk = 2 << 20;

export function chunkSize(): number {
  return chunk;
}

/** Takes down what the address asks for. */
export function readAddress(): void {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const offset = Number(fragment.get("off"));
  const file = fragment.get("file");
  deepLink.value = file !== null && Number.isSafeInteger(offset) && offset >= 0 ? { file, offset } : null;
  pending = fragment.get("q");
  const asked = Number(fragment.get("chunk"));
  if (Number.isSafeInteger(asked) && asked > 0) chunk = asked;
}

/** Hands over the filter that waits, if one does. */
export function takeQuery(take: (query: string) => void): void {
  if (pending !== null) take(pending);
  pending = null;
}

/** Puts the filter into the address, in the place of what stood there. */
export function saveQuery(query: string): void {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (query === "" && (!fragment.has("q") || pending !== null)) return;
  for (const name of ["file", "off", "q"]) fragment.delete(name);
  if (query !== "") fragment.set("q", query);
  const text = fragment.toString();
  history.replaceState(null, "", `${location.href.split("#")[0]}${text === "" ? "" : `#${text}`}`);
}

export function linkTo(path: string, offset: number): string {
  const fragment = new URLSearchParams({ file: path, off: String(offset) });
  return `${location.href.split("#")[0]}#${fragment}`;
}
