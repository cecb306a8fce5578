// Who failed: actors by crashes and restarts, dead letters by target, type and reason, events by type. Each row is a filter.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { Names, Ranked } from "../engine/protocol";
import { actorColumns, sorted } from "../state/columns";
import { filter, found, rank, ranking } from "../state/filter";
import { report } from "../state/session";
import { filtering, query } from "../state/table";
import { count, moment, plural } from "../text/numbers";
import { exactly, hasTerm, toggled } from "../text/query";
import { visible } from "../text/escape";
import { SortHead } from "./heading";

/** Rows before somebody asks for more. */
const FEW = 5;
/** Names of this length were cut. */
const CUT = 190;

export function Failures() {
  const ranked = found.value?.ranked;
  const records = report.value?.totals.records;
  if (records === undefined || records.event + records.dead_letter === 0) return null;
  return (
    <section class="card failures" aria-labelledby="failures-title">
      <div class="card-head">
        <h2 id="failures-title">Who failed <span class="faint">{filtering.value === null ? "" : "in what matches"}</span></h2>
        {ranking.value !== null && <p class="faint" role="status">{Math.floor(ranking.value * 100)} % of the records read</p>}
      </div>
      {ranked === undefined
        ? ranking.value === null && filtering.value === null && <p><button type="button" class="button" onClick={() => void rank(true)}>Go through the records</button></p>
        : <Rankings ranked={ranked} />}
    </section>
  );
}

/** On a phone the actors alone are long. */
const PHONE = matchMedia("screen and (max-width: 760px)");
const isNarrow = signal(PHONE.matches);
PHONE.addEventListener("change", () => (isNarrow.value = PHONE.matches));

function Rankings({ ranked }: { ranked: Ranked }) {
  const { actors, targets, messages, reasons, events } = ranked;
  const [unfolded, unfold] = useState(false);
  if (actors.length + targets.count === 0 && events.count === 0) return <p class="faint">Nothing that matches is an event or a dead letter.</p>;
  return (
    <div class="rankings">
      {actors.length === 0
        ? <p class="faint">No actor crashed or was restarted.</p>
        : <Actors ranked={ranked} />}
      {isNarrow.value && !unfolded
        ? <button type="button" class="button" onClick={() => unfold(true)}>Show reasons, dead letters and events</button>
        : <>
            <Ranks title="Reasons" names={reasons} terms={(name) => [named("reason", name)]} empty="(none)" />
            <Ranks title="Dead letters by target" names={targets} terms={(name) => ["kind:dead_letter", named("actor", name)]} empty="(no target)" />
            <Ranks title="Dead letters by type" names={messages} terms={(name) => ["kind:dead_letter", named("type", name)]} empty="(no type)" />
            <Ranks title="Events by type" names={events} terms={(name) => ["kind:event", named("type", name)]} empty="(no type)" />
          </>}
    </div>
  );
}

/** A field with this value. A name that was cut is looked for as the beginning of one. */
function named(field: string, name: string): string {
  if (new TextEncoder().encode(name).length < CUT) return `${field}:${exactly(name)}`;
  return `${field}:/^${name.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&")}/`;
}

function Actors({ ranked: { actors, actorCount, beyond } }: { ranked: Ranked }) {
  const [all, setAll] = useState(false);
  return (
    <div class="ranks wide">
      <table class="grid sortable">
        <caption>Actors by crashes and restarts</caption>
        <thead><tr>{actorColumns.getAllLeafColumns().map((column) => <SortHead key={column.id} column={column} name={column.id === "crashes" || column.id === "restarts" ? "number" : ""} />)}</tr></thead>
        <tbody>
          {sorted(actorColumns, actors).slice(0, all ? undefined : FEW).map(({ name, crashes, restarts, last, reason, storms }) => (
            <tr key={name}>
              <th scope="row">
                <Choose terms={[named("actor", name)]} name={name} empty="(no actor)" />
                {storms > 0 && <span class="badge bad" title="five restarts within a minute">{storms === 1 ? "restart storm" : plural(storms, "restart storm")}</span>}
              </th>
              <td class="number" data-label="Crashes">{count(crashes)}</td>
              <td class="number" data-label="Restarts">{count(restarts)}</td>
              <td class="ids" data-label="Last">{last === null ? "" : moment(last)}</td>
              <td data-label="Last crash's reason">{visible(reason)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <More isSorted={actorColumns.atoms.sorting.get().length > 0} shown={all ? actors.length : Math.min(FEW, actors.length)} told={actors.length} total={actorCount} beyond={beyond} what="crashes and restarts" onMore={() => setAll(true)} />
    </div>
  );
}

function Ranks({ title, names, terms, empty }: { title: string; names: Names; terms: (name: string) => string[]; empty: string }) {
  const [all, setAll] = useState(false);
  const most = names.names[0]?.[1] ?? 0;
  if (most === 0) return null;
  return (
    <div class="ranks">
      <table class="ranks-list">
        <caption>{title}</caption>
        <tbody>
          {names.names.slice(0, all ? undefined : FEW).map(([name, times]) => (
            <tr key={name}>
              <th scope="row"><Choose terms={terms(name)} name={name} empty={empty} /></th>
              <td class="number">{count(times)}</td>
              <td class="ranks-share" aria-hidden="true"><svg width="100%" height="8" preserveAspectRatio="none" viewBox="0 0 100 8"><rect width={(times / most) * 100} height="8" rx="1" /></svg></td>
            </tr>
          ))}
        </tbody>
      </table>
      <More shown={all ? names.names.length : Math.min(FEW, names.names.length)} told={names.names.length} total={names.count} beyond={names.beyond} what="more of other names" onMore={() => setAll(true)} />
    </div>
  );
}

/** A name that is a filter: chosen once it is in the query, and taken out by another click. */
function Choose({ terms, name, empty }: { terms: string[]; name: string; empty: string }) {
  const isOn = terms.every((term) => hasTerm(query.value, term));
  const choose = () => void filter(terms.filter((term) => hasTerm(query.value, term) === isOn).reduce(toggled, query.value));
  if (name === "") return <span class="faint">{empty}</span>;
  return <button type="button" class="link mono rank-name" aria-pressed={isOn} title={isOn ? "Take out of the filter" : "Filter by this"} onClick={choose}>{visible(name)}</button>;
}

function More({ isSorted = false, shown, told, total, beyond, what, onMore }: { isSorted?: boolean; shown: number; told: number; total: number; beyond: number; what: string; onMore: () => void }) {
  if (shown === total && beyond === 0) return null;
  return (
    <p class="faint small-print">
      {count(shown)} of {count(total)}{isSorted && told < total && `, sorted among the ${count(told)} with the most`}{beyond > 0 && `, and ${count(beyond)} ${what}`}
      {shown < told && <> <button type="button" class="link" onClick={onMore}>Show {count(told)}</button></>}
    </p>
  );
}
