// The table of lines: every record of the set in order, filtered as one types, damaged lines among them.

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Row } from "../engine/protocol";
import { type RecordColumn, recordColumns } from "../state/columns";
import { filter, typed, wrong } from "../state/filter";
import { dialog, found, listings, logs, report, sources } from "../state/session";
import { MOST_HITS } from "../state/hits";
import { PAGE, type Place, arrived, filtering, linesOf, listingOf, moveTo, page, open, placeOf, query, rowAt, rowTotal, cursor, step, textOf, wanted } from "../state/table";
import { say } from "../take/clipboard";
import { exported } from "../take/records";
import { count, hex, moment, plural } from "../text/numbers";
import { visible } from "../text/escape";
import { kindName } from "../text/words";
import { hasTerm, pieces, toggled, valueOf, withTerm } from "../text/query";
import { Down, Question, Search } from "./icons";
import { Edge } from "./heading";
import { useVirtual } from "./virtual";

/** How a record is laid out in the room that there is: in one line, with its payload below the rest, as a card without a head above. */
const FORMS = { line: { row: 34, head: 36 }, two: { row: 56, head: 36 }, card: { row: 84, head: 0 } } as const;
type Form = keyof typeof FORMS;
const CARD = 600;
const SIDES = 28;
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
        {logs.value > 0 && <p class="keys faint"><kbd>g</kbd> go to</p>}
      </div>
      <Tools />
      <Table />
    </section>
  );
}

/** Stands before all that it applies to: the history, the ranking and the table. */
export function FilterBar() {
  const box = useRef<HTMLInputElement>(null);
  const text = query.value;
  // A click elsewhere may have changed the query; what is being typed stays.
  useEffect(() => {
    const input = box.current;
    if (input !== null && input.value !== text && document.activeElement !== input) input.value = text;
  }, [text]);
  const kinds = valueOf(text, "kind")?.split(",") ?? [];
  const toggle = (kind: string) => {
    const list = kinds.includes(kind) ? kinds.filter((other) => other !== kind) : [...kinds, kind];
    void filter(withTerm(text, "kind", list.length === 0 ? null : list.join(",")));
  };
  const counts = report.value?.totals.records;
  if (sources.value.every((_, file) => linesOf(file) === 0 || textOf(file) === null)) return null;
  const hasDamage = logs.value > 0 && (report.value?.totals.anomalies ?? 0) > 0;
  return (
    <section class="card filter-bar" aria-label="Filter">
      <div class="search">
        <Search size={18} />
        <input id="record-filter" ref={box} type="search" aria-label="Filter the records" placeholder="Filter: words, kind:event, type:crash, payload.order:17, -not, /regex/"
          autocomplete="off" spellcheck={false} defaultValue={text} aria-invalid={wrong.value !== ""} aria-describedby="filter-wrong"
          onInput={(event) => typed(event.currentTarget.value)} />
        <button type="button" class="button quiet square small" aria-label="How to filter" title="How to filter" onClick={() => (dialog.value = "query")}><Question size={18} /></button>
      </div>
      <div class="chips" role="group" aria-label="Kinds of record">
        {KINDS.filter((kind) => (counts?.[kind] ?? 0) > 0).map((kind) => (
          <button key={kind} type="button" class="chip" aria-pressed={kinds.includes(kind)} onClick={() => toggle(kind)}>
            <span class={`swatch ${kind}`} aria-hidden="true" /> {kindName(kind)}
          </button>
        ))}
        {hasDamage && (
          <button type="button" class="chip" aria-pressed={hasTerm(text, "is:damaged")} onClick={() => void filter(toggled(text, "is:damaged"))}>
            <span class="swatch anomaly-mark" aria-hidden="true" /> damaged
          </button>
        )}
      </div>
      <p id="filter-wrong" class="bad-text filter-wrong" role="alert">{visible(wrong.value)}</p>
    </section>
  );
}

/** What the filter came to, the way to either end, and what is listed as a file. */
function Tools() {
  const total = rowTotal();
  const pass = filtering.value;
  const [busy, setBusy] = useState(-1);
  const stop = useRef<AbortController>();
  const save = async (form: "ndjson" | "csv") => {
    const own = (stop.current = new AbortController());
    setBusy(0);
    const ended = await exported(form, query.value, own.signal, setBusy);
    setBusy(-1);
    if (ended !== "all" && !own.signal.aborted) say(ended === "gone" ? "Not saved: the file can no longer be read" : "Not saved: another filter was started");
  };
  const canSave = total > 0 && (pass === null || pass.done);
  return (
    <div class="table-tools">
      <p class="filter-state faint" role="status">
        {pass === null ? "" : pass.done && pass.share === 1 ? plural(pass.total, "hit") : `${plural(pass.total, "hit")} ${pass.done ? "before the file could no longer be read" : "so far"}, ${Math.floor(pass.share * 100)} % searched`}
        {pass !== null && pass.total > MOST_HITS && `; the first ${count(MOST_HITS)} are listed`}
      </p>
      {query.value !== "" && <button type="button" class="button small" onClick={() => void filter("")}>Clear filter</button>}
      <span class="spring" />
      <ColumnMenu />
      <button type="button" class="button small" disabled={total === 0} onClick={() => moveTo(0)}>First<span class="unseen"> record</span></button>
      <button type="button" class="button small" disabled={total === 0} onClick={() => moveTo(total - 1)}>Last<span class="unseen"> record</span></button>
      {busy >= 0
        ? <><span class="faint" role="status">Preparing, {Math.floor(busy * 100)} %</span><button type="button" class="button small" onClick={() => stop.current?.abort()}>Cancel</button></>
        : <>
            <button type="button" class="button small" disabled={!canSave} onClick={() => void save("ndjson")}><Down size={16} /><span class="unseen">Save as </span>NDJSON</button>
            <button type="button" class="button small" disabled={!canSave} onClick={() => void save("csv")}><Down size={16} /><span class="unseen">Save as </span>CSV</button>
          </>}
    </div>
  );
}

/** Which columns are shown, and back to the widths that they had. */
function ColumnMenu() {
  const box = useRef<HTMLDetailsElement>(null);
  const close = () => box.current?.removeAttribute("open");
  const keys = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || box.current?.open !== true) return;
    close();
    box.current.querySelector("summary")?.focus();
    event.stopPropagation();
  };
  const columns = recordColumns.getAllLeafColumns().filter((column) => column.getCanHide() && (column.id !== "file" || sources.value.length > 1));
  const isMoved = Object.keys(recordColumns.atoms.columnSizing.get()).length > 0;
  return (
    <details class="column-menu" ref={box} onKeyDown={keys} onFocusOut={({ currentTarget, relatedTarget }) => !currentTarget.contains(relatedTarget as Node | null) && close()}>
      <summary class="button small">Columns</summary>
      <div class="menu" role="group" aria-label="Columns of the table" tabIndex={-1}>
        {columns.map((column) => (
          <label key={column.id} class="check"><input type="checkbox" checked={column.getIsVisible()} onChange={(event) => column.toggleVisibility(event.currentTarget.checked)} /> {String(column.columnDef.header)}</label>
        ))}
        <button type="button" class="button small" disabled={!isMoved} onClick={() => recordColumns.resetColumnSizing()}>Reset widths</button>
      </div>
    </details>
  );
}

function Table() {
  const box = useRef<HTMLDivElement>(null);
  const total = rowTotal();
  const first = page.value * PAGE;
  const rows = Math.min(PAGE, Math.max(0, total - first));
  const wide = sources.value.length > 1;
  const columns = recordColumns.getVisibleLeafColumns().filter(({ id }) => wide || id !== "file");
  const form = useForm(box, columns);
  const { row, head } = FORMS[form];
  const virtual = useVirtual(box, rows, row, head);
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
  return (
    <>
      {total > PAGE && <Pager total={total} />}
      <div class={`table as-${form}`} ref={box} style={{ height: `min(560px, 72vh, ${Math.max(2, rows) * row + 54}px)`, "--columns": tracks(form, columns), "--least": form === "line" ? `${least(columns)}px` : "0" }}
        role="table" tabIndex={0} aria-label="Records: arrow keys move, Enter opens" aria-rowcount={total + 1} onKeyDown={keys}>
        <div class="table-head" role="row" aria-rowindex={1}>
          {columns.map((column) => {
            const name = column.id === "line" && listings.value.length > 0 ? "No." : String(column.columnDef.header);
            return (
              <span key={column.id} role="columnheader" aria-label={name} class={column.id === "payload" ? "cell payload" : "cell"}>
                {name}{column.getCanResize() && form !== "card" && <Edge column={column} />}
              </span>
            );
          })}
        </div>
        <div class="virtual" role="rowgroup" style={{ height: `${virtual.height}px` }}>
          {virtual.items.map(({ index, start }) => <Line key={first + index} row={first + index} start={start} columns={columns} />)}
        </div>
        {rows === 0 && <p class="table-empty faint">{filtering.value?.done === false ? "Searching…" : "No line matches."}</p>}
      </div>
    </>
  );
}

/** What the columns take that have not been moved, in one line. */
function least(columns: readonly RecordColumn[]): number {
  return columns.reduce((sum, column) => sum + column.getSize(), SIDES);
}

function tracks(form: Form, columns: readonly RecordColumn[]): string {
  return columns.map((column) => {
    if (form === "two") return column.id === "payload" ? "" : `minmax(${column.columnDef.minSize}px, ${column.getSize()}fr)`;
    return column.id === "payload" ? `minmax(${column.getSize()}px, 1fr)` : `${column.getSize()}px`;
  }).join(" ");
}

/** Follows the table's width, which the list beside it and an open record change as well as the window. */
function useForm(box: RefObject<HTMLElement>, columns: readonly RecordColumn[]): Form {
  const [width, measure] = useState(0);
  useLayoutEffect(() => {
    const table = box.current;
    if (table === null) return;
    const watch = new ResizeObserver(() => measure(table.clientWidth));
    watch.observe(table);
    measure(table.clientWidth);
    return () => watch.disconnect();
  }, []);
  // Columns that somebody has widened may take more: then the table is scrolled.
  const needed = columns.reduce((sum, { columnDef: { size = 0 } }) => sum + size, SIDES);
  return width >= needed ? "line" : width >= CARD ? "two" : "card";
}

function Line({ row, start, columns }: { row: number; start: number; columns: readonly RecordColumn[] }) {
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
      {columns.map(({ id }) => <Cell key={id} id={id} place={place} data={data} damaged={damaged} />)}
    </div>
  );
}

function Cell({ id, place, data, damaged }: { id: string; place: Place | undefined; data: Row | undefined; damaged: boolean }) {
  switch (id) {
    case "line":
      return <span role="cell" class="cell number line" title={data === undefined || listingOf(place?.file ?? 0) !== undefined ? "" : `byte ${data.offset} (${hex(data.offset)})`}>{place === undefined ? "" : count(place.line + 1)}</span>;
    case "file":
      return <span role="cell" class="cell path">{visible(sources.value[place?.file ?? 0]?.path ?? "")}</span>;
    case "kind":
      return (
        <span role="cell" class="cell kind">
          {damaged ? <b class="bad-text">damaged</b> : data !== undefined && <><span class={`swatch ${data.kind}`} aria-hidden="true" />{kindName(data.kind, false)}</>}
        </span>
      );
    case "type":
      return <span role="cell" class={data?.type === "ActorCrashed" ? "cell what crashed" : "cell what"}><Marked text={data?.type} marks={data?.marks[0]} /></span>;
    case "actor":
      return <span role="cell" class="cell actor"><Marked text={data?.actor} marks={data?.marks[1]} /></span>;
    case "time":
      return <span role="cell" class="cell number time">{data === undefined || data.time === null ? "" : moment(data.time)}</span>;
    default:
      return <span role="cell" class="cell mono payload">{data === undefined ? "…" : <Marked text={data.payload} marks={data.marks[2]} />}</span>;
  }
}

/** A cell's text, what the filter looks for marked. */
function Marked({ text = "", marks = [] }: { text?: string | undefined; marks?: readonly number[] | undefined }) {
  if (marks.length === 0) return <>{visible(text)}</>;
  return <>{pieces(text, marks).map(({ text, marked }, index) => (marked ? <mark key={index}>{visible(text)}</mark> : visible(text)))}</>;
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
