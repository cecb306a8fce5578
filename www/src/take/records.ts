// The records that are listed, as a file: lines as they stand in the log, or rows for a spreadsheet. All of them, however many.

import { KEEP_AND_ADD_NEWLINE } from "../engine/protocol";
import { type Ended, searchAll } from "../state/search";
import { textOf } from "../state/table";
import { download, keptOf } from "./repair";

/** Rows that are gathered before the browser takes them into its keeping, in bytes. */
const PORTION = 4 << 20;
/** Lines that are gathered before they are read. */
const LINES = 50_000;

type Gathered = { ended: Ended; parts: Blob[] };

/** Saves them, unless the pass did not come to its end. */
export async function exported(form: "ndjson" | "csv", query: string, signal: AbortSignal, onShare: (share: number) => void): Promise<Ended> {
  const { ended, parts } = await (form === "csv" ? rows : lines)(query, signal, onShare);
  if (ended === "all") download(new Blob(parts, { type: form === "csv" ? "text/csv" : "application/x-ndjson" }), `records.${form}`);
  return ended;
}

async function rows(query: string, signal: AbortSignal, onShare: (share: number) => void): Promise<Gathered> {
  const parts: Blob[] = [];
  let [fresh, bytes]: [Uint8Array<ArrayBuffer>[], number] = [[], 0];
  const settle = () => {
    parts.push(new Blob(fresh));
    [fresh, bytes] = [[], 0];
  };
  const onHits = (_: number, { csv }: { csv: Uint8Array<ArrayBuffer> }) => {
    fresh.push(csv);
    bytes += csv.length;
    if (bytes > PORTION) settle();
  };
  const ended = await searchAll({ query, listed: 0, csv: true, signal, onShare, onHits });
  settle();
  return { ended, parts };
}

/** The lines are read from the file once more, so that they are whole however long they are. */
async function lines(query: string, signal: AbortSignal, onShare: (share: number) => void): Promise<Gathered> {
  const parts: Promise<Blob>[] = [];
  let [places, at]: [number[], number] = [[], 0];
  const settle = () => {
    const text = textOf(at);
    if (text !== null && places.length > 0) parts.push(keptOf(text, Float64Array.from(places)));
    places = [];
  };
  const onHits = (file: number, hits: { places: Float64Array }) => {
    if (file !== at) settle();
    at = file;
    for (let hit = 0; hit < hits.places.length; hit += 3) places.push(KEEP_AND_ADD_NEWLINE, hits.places[hit + 1] ?? 0, hits.places[hit + 2] ?? 0);
    if (places.length > 3 * LINES) settle();
  };
  const ended = await searchAll({ query, listed: Infinity, signal, onShare, onHits });
  settle();
  try {
    return { ended, parts: await Promise.all(parts) };
  } catch {
    return { ended: "gone", parts: [] };
  }
}
