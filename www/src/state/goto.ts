// The way to a line or a byte of a file: the table shows all records, and the cursor stands there.

import { showAll } from "./filter";
import { readyEngine } from "./ready";
import * as session from "./session";
import { BLOCK_LIMIT, filtering, linesOf, listingOf, moveTo } from "./table";

/** Line numbers count from 1 within their file. */
export async function goToLine(file: number, line: number): Promise<boolean> {
  if (line < 1 || line > linesOf(file)) return false;
  if (filtering.value !== null) showAll();
  let row = line - 1;
  for (let earlier = 0; earlier < file; earlier += 1) row += linesOf(earlier);
  moveTo(row);
  return true;
}

export async function goToOffset(file: number, offset: number): Promise<boolean> {
  const index = session.indexes.value[file];
  const blob = session.bytesOf(file);
  if (listingOf(file) !== undefined || index === undefined || blob === null || offset >= blob.size) return false;
  let block = index.offsets.findIndex((start) => start > offset) - 1;
  if (block < 0) block = index.offsets.length - 1;
  const from = index.offsets[block] ?? 0;
  const bytes = await blob.slice(from, Math.min(blob.size, Math.max(offset + 1, from + BLOCK_LIMIT))).arrayBuffer();
  const rows = await (await readyEngine()).rows(bytes, from, block * index.stride + 1, "");
  const row = rows.findLast((candidate) => candidate.offset <= offset);
  return row === undefined ? false : goToLine(file, row.line);
}
