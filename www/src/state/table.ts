// The record table's data: any row of millions on demand, read from the file around it; or the hits of a filter.
//
// Nothing here holds the log: a sparse index says where to read for a line. Who filters: state/filter.ts.

import { signal } from "@preact/signals";
import type { Listing, Row } from "../engine/protocol";
import { hitAt, shown } from "./hits";
import { readyEngine } from "./ready";
import * as session from "./session";

/** A listed row's place: which source, and which line of it (from 0). */
export interface Place {
  file: number;
  line: number;
  /** Known for hits alone. */
  offset?: number;
  length?: number;
}

/** Bytes read at most for one block of rows, and for one row of a filter. */
export const BLOCK_LIMIT = 8 << 20;
const ROW_LIMIT = 64 << 10;
const CACHED = 64;
/** Browsers cannot scroll through more pixels than so many rows have. */
export const PAGE = 400_000;

export const query = signal("");
export const page = signal(0);
/** The row that keys move and a panel shows, in the whole list. */
export const cursor = signal<number | null>(null);
/** Counts up when the cursor's row is to be brought into sight and get the focus. */
export const wanted = signal(0);
/** Whether the cursor's row is open at the side. */
export const open = signal(false);
/** Changes whenever rows have arrived. */
export const arrived = signal(0);
export const filtering = signal<{ share: number; total: number; done: boolean } | null>(null);

const blocks = new Map<string, readonly Row[] | "waiting">();

/** The list is another one now: what is drawn is fetched anew. */
export function forgetRows(): void {
  blocks.clear();
  page.value = 0;
  cursor.value = null;
  open.value = false;
}

export function listingOf(file: number): Listing | undefined {
  return session.listings.value.find((listing) => listing.file === file);
}

/** Of a dump its records; those of append-only files are not listed here. */
export function linesOf(file: number): number {
  const listing = listingOf(file);
  if (listing !== undefined) return listing.lines;
  if (file >= session.logs.value) return 0;
  const seen = session.seenOf(file);
  return seen === undefined || seen.backup !== undefined ? 0 : seen.lines;
}

/** The text whose lines are listed; null when it was too much to keep. */
export function textOf(file: number): Blob | null {
  const listing = listingOf(file);
  return listing === undefined ? session.bytesOf(file) : listing.text;
}

export function rowTotal(): number {
  if (filtering.value !== null) return shown.value;
  return session.sources.value.reduce((sum, _, file) => sum + linesOf(file), 0);
}

/** The place of a row of the list as it is shown now. */
export function placeOf(row: number): Place | undefined {
  if (filtering.value !== null) return hitAt(row);
  let line = row;
  for (let file = 0; file < session.sources.value.length; file += 1) {
    const lines = linesOf(file);
    if (line < lines) return { file, line };
    line -= lines;
  }
  return undefined;
}

/** The row at a place: at once when it is there, else `undefined`, and `arrived` changes later. */
export function rowAt(place: Place): Row | undefined {
  if (place.offset !== undefined) return hitRow(place, place.offset);
  const index = listingOf(place.file)?.index ?? session.indexes.value[place.file];
  if (index === undefined || index.stride === 0) return undefined;
  const block = Math.floor(place.line / index.stride);
  const key = `${place.file}:${block}`;
  const rows = blocks.get(key);
  if (rows === undefined) void load(key, place.file, index.offsets[block] ?? 0, index.offsets[block + 1], block * index.stride);
  return rows === undefined || rows === "waiting" ? undefined : rows[place.line - block * index.stride];
}

function hitRow(place: Place, offset: number): Row | undefined {
  const key = `${place.file}@${offset}`;
  const rows = blocks.get(key);
  if (rows === undefined) {
    const end = offset + (place.length ?? 0) + 1;
    void load(key, place.file, offset, end, place.line, ROW_LIMIT);
  }
  return rows === undefined || rows === "waiting" ? undefined : rows[0];
}

async function load(key: string, file: number, from: number, to: number | undefined, line: number, limit = BLOCK_LIMIT): Promise<void> {
  const blob = textOf(file);
  if (blob === null) return;
  blocks.set(key, "waiting");
  try {
    const end = Math.min(to ?? blob.size, blob.size, from + limit);
    const bytes = await blob.slice(from, end).arrayBuffer();
    const rows = await (await readyEngine()).rows(bytes, from, line + 1, query.peek());
    // The last line of a stretch that was cut off only looks damaged.
    const last = rows.at(-1);
    if (last !== undefined && end < Math.min(to ?? blob.size, blob.size)) last.damaged = false;
    if (blocks.get(key) !== "waiting") return; // forgotten meanwhile
    blocks.delete(key);
    blocks.set(key, rows);
    for (const old of blocks.keys()) {
      if (blocks.size <= CACHED * (key.includes("@") ? 8 : 1)) break;
      blocks.delete(old);
    }
    arrived.value += 1;
  } catch {
    blocks.set(key, []);
  }
}

/** Puts the cursor on a row of the list as it is shown now, wherever that is. */
export function moveTo(row: number): void {
  const last = rowTotal() - 1;
  if (last < 0) return;
  cursor.value = Math.max(0, Math.min(last, row));
  page.value = Math.floor(cursor.value / PAGE);
  wanted.value += 1;
}

export function step(by: number): void {
  moveTo((cursor.value ?? -1) + by);
}
