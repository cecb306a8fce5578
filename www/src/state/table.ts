// The record table's data: any row of millions on demand, read from the file around it; or the hits of a filter.
//
// Nothing here holds the log. A sparse index says where to read for a line; a filter is a second pass over the bytes.

import { signal } from "@preact/signals";
import type { Listing, Row } from "../engine/protocol";
import { pump } from "../read/pump";
import { chunkSize } from "./link";
import { readyEngine } from "./scan";
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
const BLOCK_LIMIT = 8 << 20;
const ROW_LIMIT = 64 << 10;
const CACHED = 64;
/** Hits beyond it are counted, not listed. */
export const MOST_HITS = 200_000;
/** Browsers cannot scroll through more pixels than so many rows have. */
export const PAGE = 400_000;

export const query = signal("");
export const kinds = signal<readonly string[]>([]);
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
export const hits = signal<readonly Place[]>([]);

const blocks = new Map<string, readonly Row[] | "waiting">();
let pass: AbortController | null = null;

export function forgetRows(): void {
  pass?.abort();
  blocks.clear();
  query.value = "";
  kinds.value = [];
  page.value = 0;
  cursor.value = null;
  open.value = false;
  filtering.value = null;
  hits.value = [];
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
  if (filtering.value !== null) return hits.value.length;
  return session.sources.value.reduce((sum, _, file) => sum + linesOf(file), 0);
}

/** The place of a row of the list as it is shown now. */
export function placeOf(row: number): Place | undefined {
  if (filtering.value !== null) return hits.value[row];
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
    const rows = await (await readyEngine()).rows(bytes, from, line + 1);
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

/** Filters as the user types: a pass over all bytes that shows its first hits at once. */
export async function filter(text: string, only: readonly string[]): Promise<void> {
  pass?.abort();
  query.value = text;
  kinds.value = only;
  page.value = 0;
  cursor.value = null;
  open.value = false;
  if (text.trim() === "" && only.length === 0) {
    filtering.value = null;
    hits.value = [];
    return;
  }
  const own = new AbortController();
  pass = own;
  filtering.value = { share: 0, total: 0, done: false };
  hits.value = [];
  const engine = await readyEngine();
  let listed: Place[] = [];
  let [before, found, told] = [0, 0, 0];
  const texts = session.sources.value.map((_, file) => (linesOf(file) === 0 ? null : textOf(file)));
  const total = texts.reduce((sum, text) => sum + (text?.size ?? 0), 0);
  for (const [file, blob] of texts.entries()) {
    if (own.signal.aborted) break;
    if (blob === null) continue;
    const job = engine.job();
    let inFile = 0;
    engine.onHits = (from, { places, total }) => {
      if (from !== job || own.signal.aborted) return;
      inFile = total;
      for (let at = 0; at < places.length && listed.length < MOST_HITS; at += 3) {
        listed.push({ file, line: (places[at] ?? 1) - 1, offset: places[at + 1] ?? 0, length: places[at + 2] ?? 0 });
      }
    };
    const tell = (bytes: number) => {
      const now = performance.now();
      if (now - told < 100 || own.signal.aborted) return;
      told = now;
      filtering.value = { share: (before + bytes) / Math.max(1, total), total: found + inFile, done: false };
      if (listed.length !== hits.value.length) hits.value = (listed = [...listed]);
    };
    engine.filter(job, text, only);
    const handoff = { give: (buffer: ArrayBuffer, length: number) => engine.give(job, buffer, length), advance: tell };
    try {
      await pump(blob, handoff, { chunk: chunkSize(), signal: own.signal, patience: 20_000 });
      await engine.endFilter(job);
    } catch {
      break; // the file went away: what was found stays on screen
    }
    found += inFile;
    before += blob.size;
  }
  if (own.signal.aborted) return;
  hits.value = [...listed];
  filtering.value = { share: 1, total: found, done: true };
}

/** Line numbers count from 1 within their file. */
export async function goToLine(file: number, line: number): Promise<boolean> {
  if (line < 1 || line > linesOf(file)) return false;
  await filter("", []);
  let row = line - 1;
  for (let earlier = 0; earlier < file; earlier += 1) row += linesOf(earlier);
  moveTo(row);
  return true;
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

export async function goToOffset(file: number, offset: number): Promise<boolean> {
  const index = session.indexes.value[file];
  const blob = session.bytesOf(file);
  if (listingOf(file) !== undefined || index === undefined || blob === null || offset >= blob.size) return false;
  let block = index.offsets.findIndex((start) => start > offset) - 1;
  if (block < 0) block = index.offsets.length - 1;
  const from = index.offsets[block] ?? 0;
  const bytes = await blob.slice(from, Math.min(blob.size, Math.max(offset + 1, from + BLOCK_LIMIT))).arrayBuffer();
  const rows = await (await readyEngine()).rows(bytes, from, block * index.stride + 1);
  const row = rows.findLast((candidate) => candidate.offset <= offset);
  return row === undefined ? false : goToLine(file, row.line);
}
