// A search: one pass over the text of all that is listed, file by file. Nothing here keeps what it finds.

import type { Hits } from "../engine/protocol";
import { pump, release } from "../../../web/package/src/pump";
import { chunkSize } from "./address";
import { readyEngine } from "./ready";
import * as session from "./session";
import { linesOf, textOf } from "./table";

export interface Pass {
  query: string;
  /** How many hits are told of one by one. */
  listed: number;
  /** Whether it makes rows for a spreadsheet. */
  csv?: boolean;
  signal: AbortSignal;
  /** Told of what a file's next portion holds, in order; the next portion waits until it is done. Its places are gone then. */
  onHits: (file: number, hits: Hits) => void;
  /** Told how much has been searched, 0 to 1. */
  onShare?: (share: number) => void;
}

/** How a pass ended: `stopped` by its signal or by another one that began, `gone` when a file could no longer be read. */
export type Ended = "all" | "stopped" | "gone";

export async function searchAll({ query, listed, csv = false, signal, onHits, onShare }: Pass): Promise<Ended> {
  const engine = await readyEngine();
  await engine.explore();
  if (signal.aborted) return "stopped";
  const texts = session.sources.value.map((_, file) => (linesOf(file) === 0 ? null : textOf(file)));
  const sizes = session.sources.value.map(({ file }, at) => (at < session.logs.value || session.isDump(at) ? file.size : 0));
  const total = texts.reduce((sum, text) => sum + (text?.size ?? 0), 0);
  const job = engine.job();
  engine.search(job, query, sizes.reduce((sum, size) => sum + size, 0), listed, csv);
  let [before, base] = [0, 0];
  for (const [file, text] of texts.entries()) {
    if (signal.aborted) return "stopped";
    const size = sizes[file] ?? 0;
    if (text !== null) {
      engine.searchFile(job, { path: session.pathOf(file), base, scale: text.size === 0 ? 1 : size / text.size });
      let ended = false;
      engine.onHits = (from, hits) => {
        if (from !== job || signal.aborted) return;
        ended = hits.extent !== null;
        onHits(file, hits);
        release([hits.places.buffer as ArrayBuffer]);
      };
      const handoff = {
        give: (buffer: ArrayBuffer, length: number) => engine.give(job, buffer, length),
        advance: (bytes: number) => onShare?.((before + bytes) / Math.max(1, total)),
      };
      try {
        await pump(text, handoff, { chunk: chunkSize(), signal, patience: 20_000 });
        await engine.endSearchFile(job);
      } catch {
        return "gone"; // what was found stays on screen
      }
      if (!ended) return "stopped";
      before += text.size;
    }
    base += size;
  }
  return signal.aborted ? "stopped" : "all";
}
