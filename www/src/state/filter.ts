// The filter: a query, the records that match it and what these come to. It applies to the table, the chart, the ranking and, where it
// asks for times, to the anomalies; and it stands in the address.

import { signal } from "@preact/signals";
import type { Found } from "../engine/protocol";
import { searchAll } from "./search";
import { saveQuery } from "./address";
import { readyEngine } from "./ready";
import * as session from "./session";
import { MOST_HITS, addHits, forgetHits, showHits } from "./hits";
import { filtering, forgetRows, linesOf, query, textOf } from "./table";

/** What the records come to that are listed now: all, or those that match. Null while that is not known. */
export const found = signal<Found | null>(null);
/** What is wrong with the query, if it cannot be understood. */
export const wrong = signal("");
/** How much of the pass that ranks all records is over; null while none is under way. */
export const ranking = signal<number | null>(null);

/** Logs up to this size are gone through a second time without being asked. */
const AT_ONCE = 256 << 20;
const TELL_EVERY = 100;
/** Who types on within so many milliseconds is waited for. */
const TYPING = 150;

let pass: AbortController | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
/** What all records come to, once that is known. */
let all: Found | null = null;

function begin(): AbortSignal {
  clearTimeout(timer);
  pass?.abort();
  pass = new AbortController();
  ranking.value = null;
  return pass.signal;
}

/** Something else is shown: no filter, and nothing known yet. */
export function forgetFilter(): void {
  clearTimeout(timer);
  pass?.abort();
  all = null;
  found.value = null;
  ranking.value = null;
  query.value = "";
  saveQuery("");
  leave();
}

function leave(): void {
  wrong.value = "";
  filtering.value = null;
  forgetHits();
  session.timeExtents.value = null;
  forgetRows();
}

/** The query as it is being typed: whoever adds a term by a click meanwhile adds it to this. */
export function typed(text: string): void {
  clearTimeout(timer);
  query.value = text;
  timer = setTimeout(() => void filter(text), TYPING);
}

/** Filters: a pass over all bytes that shows its first hits at once. */
export async function filter(text: string): Promise<void> {
  const signal = begin();
  query.value = text;
  saveQuery(text.trim());
  if (text.trim() === "") {
    leave();
    found.value = all;
    if (all === null) void rank();
    return;
  }
  const why = await (await readyEngine()).misunderstood(text);
  if (signal.aborted) return;
  wrong.value = why ?? "";
  if (why !== null) return;
  forgetRows();
  filtering.value = { share: 0, total: 0, done: false };
  forgetHits();
  found.value = null;
  const extents: (readonly [number, number] | null)[] = [];
  let [total, told] = [0, 0];
  const ended = await searchAll({
    query: text,
    listed: MOST_HITS,
    signal,
    onHits: (file, portion) => {
      total = portion.total;
      const { places, extent } = portion;
      addHits(file, places);
      if (portion.found !== null) found.value = portion.found;
      if (extent !== null) extents[file] = extent.length === 2 ? [extent[0] ?? 0, extent[1] ?? 0] : null;
    },
    onShare: (share) => {
      const now = performance.now();
      if (now - told < TELL_EVERY || signal.aborted) return;
      told = now;
      filtering.value = { share, total, done: false };
      showHits();
    },
  });
  if (signal.aborted) return;
  showHits();
  filtering.value = { share: ended === "all" ? 1 : (filtering.value?.share ?? 0), total, done: true };
  session.timeExtents.value = hasTime(text) ? extents : null;
  session.announcement.value = `${total} records match`;
}

/** Only a time that is asked for, not one that is not, says which anomalies lie in it. */
function hasTime(text: string): boolean {
  return /(^|\s)time:\S/.test(text);
}

/** Goes through all records once more: what they come to is known then. */
export async function rank(asked = false): Promise<void> {
  const listed = session.sources.value.map((_, file) => (linesOf(file) === 0 ? null : textOf(file)));
  const bytes = listed.reduce((sum, text) => sum + (text?.size ?? 0), 0);
  if (bytes === 0 || bytes > AT_ONCE && !asked || filtering.value !== null) return;
  const signal = begin();
  ranking.value = 0;
  const ended = await searchAll({
    query: "",
    listed: 0,
    signal,
    onHits: (_, portion) => {
      if (portion.found !== null) found.value = portion.found;
    },
    onShare: (share) => {
      if (!signal.aborted && share - (ranking.value ?? 0) > 0.01) ranking.value = share;
    },
  });
  if (signal.aborted) return;
  ranking.value = null;
  if (ended === "all") all = found.value;
  else found.value = null;
}

/** Takes the filter away without going through the records. */
export function showAll(): void {
  begin();
  query.value = "";
  saveQuery("");
  leave();
  found.value = all;
}
