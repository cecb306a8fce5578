// The hits of a filter: where each is, in numbers, as objects would take several times the memory.

import { signal } from "@preact/signals";

/** A hit's place: which source, which line of it (from 0), and its bytes. */
export interface Hit {
  file: number;
  line: number;
  offset: number;
  length: number;
}

/** Hits beyond it are counted, not listed. */
export const MOST_HITS = 200_000;
/** Hits to a block, and numbers to a hit. */
const BLOCK = 1 << 13;
const EACH = 4;

/** How many are shown. */
export const shown = signal(0);

let blocks: Float64Array[] = [];
let listed = 0;

export function forgetHits(): void {
  [blocks, listed] = [[], 0];
  shown.value = 0;
}

/** Adds those of a file: `places` holds line (from 1), offset and length of each. They are not shown yet. */
export function addHits(file: number, places: Float64Array): void {
  for (let at = 0; at < places.length && listed < MOST_HITS; at += 3) {
    if (listed % BLOCK === 0) blocks.push(new Float64Array(BLOCK * EACH));
    blocks.at(-1)?.set([file, (places[at] ?? 1) - 1, places[at + 1] ?? 0, places[at + 2] ?? 0], (listed % BLOCK) * EACH);
    listed += 1;
  }
}

export function showHits(): void {
  shown.value = listed;
}

export function hitAt(row: number): Hit | undefined {
  if (row >= shown.value) return undefined;
  const at = (row % BLOCK) * EACH;
  const [file = 0, line = 0, offset = 0, length = 0] = blocks[Math.floor(row / BLOCK)]?.subarray(at, at + EACH) ?? [];
  return { file, line, offset, length };
}
