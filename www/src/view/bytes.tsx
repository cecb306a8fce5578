// Bytes as text and as hex, with the damaged ones and the saved ones marked. Only ever text nodes.

import { useState } from "preact/hooks";
import type { Fate, Piece, Window } from "../read/bytes";
import { count } from "../text/numbers";
import { printable, visibleBytes } from "../text/escape";

const PER_ROW = 16;

export function BytesView({ window: shown }: { window: Window }) {
  // Bytes of a dump are seldom text.
  const [face, setFace] = useState<"text" | "hex">(shown.binary ? "hex" : "text");
  return (
    <div class="evidence">
      <div class="evidence-head">
        <div class="faces" role="group" aria-label="Show the bytes as">
          <button type="button" class="chip" aria-pressed={face === "text"} onClick={() => setFace("text")}>Text</button>
          <button type="button" class="chip" aria-pressed={face === "hex"} onClick={() => setFace("hex")}>Hex</button>
        </div>
        {shown.pieces.some((piece) => piece.fate !== "around") && <p class="legend faint"><span class="key reject">set aside</span> <span class="key keep">kept</span></p>}
      </div>
      {face === "text" ? <Text pieces={shown.pieces} /> : <Hex pieces={shown.pieces} />}
      {shown.skipped > 0 && <p class="faint">{count(shown.skipped)} bytes in the middle are not shown.</p>}
    </div>
  );
}

const SPOKEN: Record<Fate, string> = { around: "", reject: "set aside: ", keep: "kept: " };

function Text({ pieces }: { pieces: readonly Piece[] }) {
  return (
    <pre class="excerpt" tabIndex={0} aria-label="The damaged line with its neighbours">
      {pieces.map((piece, index) => (
        <span key={piece.offset} class={piece.fate}>
          {SPOKEN[piece.fate] !== "" && <span class="unseen">{SPOKEN[piece.fate]}</span>}
          {gap(pieces, index) && "\n⋯\n"}
          {breakLines(visibleBytes(piece.bytes))}
        </span>
      ))}
    </pre>
  );
}

/** A newline of the log is shown as its sign and as a new line. */
function breakLines(text: string): string {
  return text.replaceAll("⏎", "⏎\n");
}

function gap(pieces: readonly Piece[], index: number): boolean {
  const before = pieces[index - 1];
  const piece = pieces[index];
  return before !== undefined && piece !== undefined && before.offset + before.bytes.length < piece.offset;
}

interface Cell {
  byte: number;
  fate: Fate;
}

function Hex({ pieces }: { pieces: readonly Piece[] }) {
  const rows = new Map<number, (Cell | null)[]>();
  for (const piece of pieces) {
    piece.bytes.forEach((byte, index) => {
      const offset = piece.offset + index;
      const start = Math.floor(offset / PER_ROW) * PER_ROW;
      let row = rows.get(start);
      if (row === undefined) rows.set(start, (row = new Array<Cell | null>(PER_ROW).fill(null)));
      row[offset - start] = { byte, fate: piece.fate };
    });
  }
  return (
    <div class="hex" tabIndex={0} role="region" aria-label="Hex dump">
      <table>
        <thead class="unseen"><tr><th>Offset</th><th>Bytes</th><th>Text</th></tr></thead>
        <tbody>
          {[...rows].map(([start, cells]) => (
            <tr key={start}>
              <th scope="row">{start.toString(16).padStart(8, "0")}</th>
              <td class="hex-bytes">{runs(cells, (byte) => byte.toString(16).padStart(2, "0"), " ", "  ")}</td>
              <td class="hex-text">{runs(cells, printable, "", " ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Neighbouring bytes of one fate share one element. */
function runs(cells: readonly (Cell | null)[], show: (byte: number) => string, between: string, blank: string) {
  const groups: { fate: Fate; text: string }[] = [];
  cells.forEach((cell, index) => {
    const text = (cell === null ? blank : show(cell.byte)) + (index === 7 && between !== "" ? between + between : between);
    const fate = cell?.fate ?? "around";
    const last = groups.at(-1);
    if (last?.fate === fate) last.text += text;
    else groups.push({ fate, text });
  });
  return groups.map((group, index) => <span key={index} class={group.fate}>{group.text}</span>);
}
