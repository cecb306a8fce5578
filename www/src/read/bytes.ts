// The bytes around a finding, for looking at: a few hundred, whatever the damage measures.

import type { Anomaly } from "../../../web/package/src/report";

/** Shown before and behind the damage. */
const MARGIN = 96;
/** Of damage longer than this only both ends are shown. */
const LONGEST = 640;

export type Fate = "around" | "reject" | "keep";

export interface Piece {
  offset: number;
  bytes: Uint8Array;
  fate: Fate;
}

export interface Window {
  pieces: readonly Piece[];
  /** Bytes left out in the middle. */
  skipped: number;
  binary: boolean;
}

/** `binary` bytes have no lines; of a finding without a length the bytes from its place on are shown. */
export async function windowAround(file: Blob, anomaly: Anomaly, binary = false): Promise<Window> {
  const start = anomaly.offset ?? 0;
  const end = start + (anomaly.length ?? 0);
  const pieces: Piece[] = [];
  let skipped = 0;
  const add = async (from: number, to: number, fate: Fate) => {
    if (to <= from) return;
    const bytes = new Uint8Array(await file.slice(from, to).arrayBuffer());
    pieces.push({ offset: from, bytes, fate });
  };
  // Rows of hex begin at round offsets.
  const before = binary ? Math.floor(Math.max(0, start - MARGIN) / 16) * 16 : Math.max(0, start - MARGIN);
  await add(before, start, "around");
  for (const part of parts(anomaly)) {
    if (part.end - part.start <= LONGEST) {
      await add(part.start, part.end, part.fate);
    } else {
      await add(part.start, part.start + LONGEST * 0.75, part.fate);
      skipped += part.end - part.start - LONGEST;
      await add(part.end - LONGEST * 0.25, part.end, part.fate);
    }
  }
  await add(end, Math.min(file.size, end + (binary ? 2 * MARGIN : MARGIN)), "around");
  return { pieces, skipped, binary };
}

/** The damaged line cut into what goes and what is saved. */
function parts(anomaly: Anomaly): { start: number; end: number; fate: Fate }[] {
  const start = anomaly.offset ?? 0;
  const end = start + (anomaly.length ?? 0);
  const rest: Fate = anomaly.reason === "missing_newline" ? "keep" : "reject";
  const result: { start: number; end: number; fate: Fate }[] = [];
  let at = start;
  // More than a few salvaged records would fill the screen; the sentence above gives their number.
  for (const saved of (anomaly.salvaged ?? []).slice(0, 8)) {
    if (saved.offset > at) result.push({ start: at, end: saved.offset, fate: rest });
    result.push({ start: saved.offset, end: saved.offset + saved.length, fate: "keep" });
    at = saved.offset + saved.length;
  }
  if (end > at) result.push({ start: at, end, fate: rest });
  return result;
}
