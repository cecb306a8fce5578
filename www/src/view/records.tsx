// The table of lines: every record of the set in order, filtered as one types, damaged lines among them.

import { useEffect, useRef, useState } from "preact/hooks";
import { found, listings, logs, report, sources } from "../state/session";
import { MOST_HITS, PAGE, arrived, filter, filtering, hits, kinds, linesOf, listingOf, page, open, placeOf, query, rowAt, rowTotal, cursor, step, textOf, wanted } from "../state/table";
import { count, hex, moment, plural } from "../text/numbers";
import { visible } from "../text/escape";
import { kindName } from "../text/words";
import { KEEP_AND_ADD_NEWLINE } from "../engine/protocol";
import { download, keptOf as linesOfFile } from "../take/repair";
import { Down, Search } from "./icons";
import { useVirtual } from "./virtual";

/** On a phone a row is a card, without a head above. */
const NARROW = matchMedia("(max-width: 640px)");
const sizes = () => (NARROW.matches ? { ROW: 84, HEAD: 0 } : { ROW: 34, HEAD: 36 });
const KINDS = ["event", "dead_letter", "audit", "other"] as const;

export function Records() {
  if (sources.value.every((_, file) => linesOf(file) === 0)) return null;
  const tooLarge = sources.value.findIndex((_, file) => linesOf(file) > 0 && textOf(file) === null);
  if (tooLarge !== -1) {
    return (
      <section class="card" aria-labelledby="records-title">
        <h2 id="records-title">Records</h2>
        <p class="faint">{listingOf(tooLarge) === undefined
          ? "The log is too large to keep unpacked here. Unpack it first, and open the result to look through its records."
          : "The dump holds more than can be kept here. Export it with the command line, and open the logs to look through its records."}</p>
      </section>
    );
  }
  return (
    <section class="card records" aria-labelledby="records-title">
      <div class="card-head">
        <h2 id="records-title">Records</h2>
        <p class="keys faint"><kbd>/</kbd> filter{logs.value > 0 && <> <kbd>g</kbd> go to</>}</p>
      </div>
      <FilterBar />
      <Table />
    </section>
  );
}

function FilterBar() {
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const type = (text: string) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void filter(text, kinds.value), 150);
  };
  const toggle = (kind: string) => {
    const list = kinds.value.includes(kind) ? kinds.value.filter((other) => other !== kind) : [...kinds.value, kind];
    void filter(query.value, list);
  };
  const counts = report.value?.totals.records;
  const pass = filtering.value;
  return (
    <div class="filter-bar">
      <label class="search">
        <Search size={18} />
        <span class="unseen">Filter the records</span>
        <input id="record-filter" type="search" placeholder="Filter: words that a record contains" autocomplete="off" spellcheck={false}
          defaultValue={query.value} onInput={(event) => type(event.currentTarget.value)} />
      </label>
      <div class="chips" role="group" aria-label="Kinds of record">
        {KINDS.filter((kind) => (counts?.[kind] ?? 0) > 0).map((kind) => (
          <button key={kind} type="button" class="chip" aria-pressed={kinds.value.includes(kind)} onClick={() => toggle(kind)}>
            <span class={`swatch ${kind}`} aria-hidden="true" /> {kindName(kind)}
          </button>
        ))}
      </div>
      <p class="filter-state faint" role="status">
        {pass === null ? "" : pass.done ? plural(pass.total, "hit") : `${plural(pass.total, "hit")} so far, ${Math.floor(pass.share * 100)} % searched`}
        {pass !== null && pass.total > MOST_HITS && `; the first ${count(MOST_HITS)} are listed`}
      </p>
      {pass?.done === true && pass.total > 0 && <button type="button" class="button small" onClick={saveHits}><Down size={16} /> Save as NDJSON</button>}
    </div>
  );
}

/** The records that a filter lists, as a log of their own. */
async function saveHits() {
  const parts: Blob[] = [];
  for (const [file] of sources.value.entries()) {
    const text = textOf(file);
    const own = hits.value.filter((hit) => hit.file === file).flatMap(({ offset, length }) => [KEEP_AND_ADD_NEWLINE, offset ?? 0, length ?? 0]);
    if (text !== null && own.length > 0) parts.push(await linesOfFile(text, Float64Array.from(own)));
  }
  download(new Blob(parts, { type: "application/x-ndjson" }), "records.ndjson");
}

function Table() {
  const box = useRef<HTMLDivElement>(null);
  const total = rowTotal();
  const first = page.value * PAGE;
  const rows = Math.min(PAGE, Math.max(0, total - first));
  const [{ ROW, HEAD }, measure] = useState(sizes);
  useEffect(() => {
    const change = () => measure(sizes());
    NARROW.addEventListener("change", change);
    return () => NARROW.removeEventListener("change", change);
  }, []);
  const virtual = useVirtual(box, rows, ROW, HEAD);
  const goal = cursor.value;
  const asked = wanted.value;
  useEffect(() => {
    if (goal === null || asked === 0) return;
    virtual.show(goal - first);
    // Once it is drawn; a dialog that closes gives the focus back first.
    const frame = requestAnimationFrame(() => requestAnimationFrame(() => {
      const row = box.current?.querySelector<HTMLElement>(`[aria-rowindex="${goal + 2}"]`);
      if (!open.peek()) row?.focus({ preventScroll: true });
      box.current?.scrollIntoView({ block: "nearest" });
    }));
    return () => cancelAnimationFrame(frame);
  }, [goal, first, asked]);
  const keys = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -Infinity, End: Infinity }[event.key];
    if (by !== undefined) step(by);
    else if (event.key === "Enter" && cursor.value !== null) open.value = true;
    else return;
    event.preventDefault();
  };
  const wide = sources.value.length > 1;
  return (
    <>
      {total > PAGE && <Pager total={total} />}
      <div class={wide ? "table wide" : "table"} ref={box} style={{ height: `min(560px, 72vh, ${Math.max(2, rows) * ROW + 54}px)` }} role="table" tabIndex={0} aria-label="Records: arrow keys move, Enter opens" aria-rowcount={total + 1} onKeyDown={keys}>
        <div class="table-head" role="row" aria-rowindex={1}>
          <span role="columnheader" class="cell number">{listings.value.length === 0 ? "Line" : "No."}</span>
          {wide && <span role="columnheader" class="cell">File</span>}
          <span role="columnheader" class="cell">Kind</span>
          <span role="columnheader" class="cell">Type</span>
          <span role="columnheader" class="cell">Actor</span>
          <span role="columnheader" class="cell number">Time</span>
          <span role="columnheader" class="cell">Payload</span>
        </div>
        <div class="virtual" role="rowgroup" style={{ height: `${virtual.height}px` }}>
          {virtual.items.map(({ index, start }) => <Line key={first + index} row={first + index} start={start} wide={wide} />)}
        </div>
        {rows === 0 && <p class="table-empty faint">{filtering.value?.done === false ? "Searching…" : "No line matches."}</p>}
      </div>
    </>
  );
}

function Line({ row, start, wide }: { row: number; start: number; wide: boolean }) {
  void arrived.value; // rows come later; this draws them when they do
  const place = placeOf(row);
  const data = place === undefined ? undefined : rowAt(place);
  // The list of findings is short; further on a line speaks for itself. A last line without a newline cannot.
  const damaged = data?.damaged === true || place !== undefined && found.value.some((entry) => entry.file === place.file && entry.anomaly.line === place.line + 1);
  const isAt = row === cursor.value;
  const name = `table-row${damaged ? " damaged" : ""}${isAt ? " target" : ""}`;
  const choose = () => {
    cursor.value = row;
    open.value = true;
  };
  return (
    <div class={name} role="row" aria-rowindex={row + 2} tabIndex={-1} aria-current={isAt ? "true" : undefined} onClick={choose} style={{ transform: `translateY(${start}px)` }}>
      <span role="cell" class="cell number line" title={data === undefined || listingOf(place?.file ?? 0) !== undefined ? "" : `byte ${data.offset} (${hex(data.offset)})`}>{place === undefined ? "" : count(place.line + 1)}</span>
      {wide && <span role="cell" class="cell path">{visible(sources.value[place?.file ?? 0]?.path ?? "")}</span>}
      <span role="cell" class="cell kind">
        {damaged ? <b class="bad-text">damaged</b> : data !== undefined && <><span class={`swatch ${data.kind}`} aria-hidden="true" />{kindName(data.kind, false)}</>}
      </span>
      <span role="cell" class={data?.type === "ActorCrashed" ? "cell what crashed" : "cell what"}>{visible(data?.type ?? "")}</span>
      <span role="cell" class="cell actor">{visible(data?.actor ?? "")}</span>
      <span role="cell" class="cell number time">{data === undefined || data.time === null ? "" : moment(data.time)}</span>
      <span role="cell" class="cell mono payload">{data === undefined ? "…" : visible(data.payload)}</span>
    </div>
  );
}

function Pager({ total }: { total: number }) {
  const pages = Math.ceil(total / PAGE);
  const at = page.value;
  return (
    <nav class="pager" aria-label="Pages of the table">
      <button type="button" class="button small" disabled={at === 0} onClick={() => (page.value = 0)}>First</button>
      <button type="button" class="button small" disabled={at === 0} onClick={() => (page.value = at - 1)}>Previous</button>
      <span>Rows {count(at * PAGE + 1)} to {count(Math.min(total, (at + 1) * PAGE))} of {count(total)}</span>
      <button type="button" class="button small" disabled={at === pages - 1} onClick={() => (page.value = at + 1)}>Next</button>
      <button type="button" class="button small" disabled={at === pages - 1} onClick={() => (page.value = pages - 1)}>Last</button>
    </nav>
  );
}
