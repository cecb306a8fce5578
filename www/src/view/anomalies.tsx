// The list of anomalies, a filter by reason, and beside it the one that is selected.

import { useEffect, useRef } from "preact/hooks";
import { select, sortAnomalies } from "../state/actions";
import { anomalyColumns } from "../state/columns";
import { type Found, current, found, pathOf, phase, reasonFilter, reasons, report, selected, shown, sources, timeExtents } from "../state/session";
import { count, hex, plural } from "../text/numbers";
import { visible } from "../text/escape";
import { reasonTitle } from "../text/words";
import { AnomalyDetail } from "./anomaly";
import { SortButton, direction } from "./heading";
import { useVirtual } from "./virtual";

const ROW = 58;
const HEAD = 34;

export function Anomalies() {
  if (found.value.length === 0) return null;
  const total = phase.value === "reading" ? found.value.length : (report.value?.totals.anomalies ?? found.value.length);
  const listed = found.value.length;
  return (
    <section class="card anomalies" aria-labelledby="anomalies-title">
      <div class="card-head">
        <h2 id="anomalies-title">{plural(total, "anomaly", "anomalies")}</h2>
        {timeExtents.value !== null && <p class="faint">{count(shown.value.length)} in the time that the filter asks for.</p>}
        {total > listed && <p class="faint">The first {count(listed)} are listed; all were counted.</p>}
        <p class="keys faint"><kbd>n</kbd> next <kbd>p</kbd> previous</p>
      </div>
      {reasons.value.length > 1 && <ReasonFilter />}
      <div class="split">
        <List />
        {current.value !== null && <AnomalyDetail entry={current.value} />}
      </div>
    </section>
  );
}

function ReasonFilter() {
  const choose = (reason: string | null) => {
    reasonFilter.value = reason;
    selected.value = 0;
  };
  return (
    <div class="chips" role="group" aria-label="Filter by reason">
      <button type="button" class="chip" aria-pressed={reasonFilter.value === null} onClick={() => choose(null)}>All</button>
      {reasons.value.map(([reason, times]) => (
        <button key={reason} type="button" class="chip" aria-pressed={reasonFilter.value === reason} onClick={() => choose(reason)}>
          {reasonTitle(reason)} <span class="chip-count">{count(times)}</span>
        </button>
      ))}
    </div>
  );
}

function List() {
  const box = useRef<HTMLDivElement>(null);
  const entries = shown.value;
  const virtual = useVirtual(box, entries.length, ROW, HEAD);
  const at = Math.min(selected.value, entries.length - 1);
  useEffect(() => virtual.show(at), [at, reasonFilter.value, entries]);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity, PageDown: 6, PageUp: -6 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    select(Math.max(0, Math.min(entries.length - 1, at + step)));
  };
  return (
    <div class="anomaly-list" ref={box} style={{ minHeight: `${Math.min(8, entries.length) * ROW + HEAD}px` }} role="grid" tabIndex={0} aria-label="Anomalies" aria-rowcount={entries.length + 1} onKeyDown={move}
      aria-activedescendant={`anomaly-${at}`}>
      <div class="anomaly-head" role="row" aria-rowindex={1}>
        {anomalyColumns.getAllLeafColumns().map((column) => (
          <span key={column.id} role="columnheader" aria-sort={direction(column)}><SortButton column={column} onSort={() => sortAnomalies(column)} /></span>
        ))}
      </div>
      <div class="virtual" role="rowgroup" style={{ height: `${virtual.height}px` }}>
        {virtual.items.map(({ index, start }) => {
          const entry = entries[index];
          return entry === undefined ? null : (
            <div key={index} id={`anomaly-${index}`} role="row" aria-selected={index === at} aria-rowindex={index + 2}
              class="anomaly-row" style={{ transform: `translateY(${start}px)` }} onClick={() => select(index)}>
              <span role="gridcell" class="anomaly-what">
                <span class="anomaly-title">{reasonTitle(entry.anomaly.reason)}</span>
                <span class="anomaly-place faint mono">{place(entry)}</span>
              </span>
              <span role="gridcell" class="anomaly-bytes faint">{entry.anomaly.length === undefined ? "" : count(entry.anomaly.length)}</span>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function place({ file, anomaly }: Found): string {
  const path = pathOf(file);
  const name = sources.value.length > 1 && path !== "" ? `${visible(path)} · ` : "";
  if (anomaly.offset === undefined) return visible(path);
  if (anomaly.line === undefined) return `${name}${anomaly.id === undefined ? "" : `${anomaly.id} · `}${hex(anomaly.offset)}`;
  return `${name}line ${count(anomaly.line)} · ${hex(anomaly.offset)}`;
}
