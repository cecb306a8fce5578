// Two of what was opened, beside each other: what is new, gone, changed, doubled or moved, record by record.

import { useEffect, useRef, useState } from "preact/hooks";
import type { ComparedPlace, Comparison, Diff } from "../engine/compare";
import type { Row } from "../engine/protocol";
import { type Choice, beginComparing, cancelComparing, choices, choose, compare, comparing, newer, older, outcome, recordAt, share, showRecord, swap, trouble } from "../state/compare";
import { quote } from "../take/command";
import { download } from "../take/repair";
import { count, moment } from "../text/numbers";
import { visible } from "../text/escape";
import { kindName } from "../text/words";
import { Change, Check, Cross, Down } from "./icons";
import { CopyButton } from "./small";

export function CompareButton() {
  return <button type="button" class="button small compare-button" aria-pressed={comparing.value} onClick={beginComparing}><Change size={16} /> Compare two</button>;
}

export function Compare() {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus({ preventScroll: true }), []);
  const seen = outcome.value;
  return (
    <>
      <section class="card compare" aria-labelledby="compare-title">
        <div class="card-head">
          <h1 id="compare-title" ref={title} tabIndex={-1}>Compare two</h1>
          <button type="button" class="button small" onClick={() => (comparing.value = false)}>Back to the results</button>
        </div>
        <p class="faint">The newer one should be the older one, grown at its end and, by retention, shrunk at its front. Everything else is told here, record by record.</p>
        <form class="compare-form" onSubmit={(event) => {
          event.preventDefault();
          void compare();
        }}>
          <Pick side="older" label="Older" at={older.value} />
          <button type="button" class="button quiet square compare-swap" aria-label="Swap older and newer" title="Swap" onClick={swap}><Change /></button>
          <Pick side="newer" label="Newer" at={newer.value} />
          {share.value === null
            ? <button type="submit" class="button primary" disabled={older.value === newer.value}>Compare</button>
            : <button type="button" class="button" onClick={cancelComparing}>Cancel</button>}
        </form>
        <p class="faint" role="status">{share.value === null ? "" : `${Math.floor(share.value * 100)} % read`}{share.value === null && older.value === newer.value ? "Choose two different ones." : ""}</p>
        {trouble.value !== "" && <p class="hint warn" role="alert">{trouble.value}</p>}
        {seen !== null && (
          <div class="take-buttons">
            <button type="button" class="button" onClick={() => download(new Blob([seen.comparison.json], { type: "application/json" }), "papyra-diff.json")}><Down /> JSON report</button>
            <CopyButton text={`papyra backup diff ${quote(seen.old.name)} ${quote(seen.new.name)}`} label="the command" shown="Copy the command" class="button" />
          </div>
        )}
      </section>
      {seen?.comparison.logs.map((log, index) => <Log key={index} words={log} log={seen.diff.logs[index]} old={seen.old} fresh={seen.new} />)}
    </>
  );
}

function Pick({ side, label, at }: { side: "older" | "newer"; label: string; at: number }) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={at} onChange={(event) => choose(side, Number(event.currentTarget.value))}>
        {choices.value.map(({ name }, index) => <option key={index} value={index}>{visible(name)}</option>)}
      </select>
    </label>
  );
}

const PORTION = 50;

function Log({ words, log, old, fresh }: { words: Comparison["logs"][number]; log: Diff["logs"][number] | undefined; old: Choice; fresh: Choice }) {
  const [most, setMost] = useState(PORTION);
  if (log === undefined) return null;
  const Picture = log.append_only ? Check : Cross;
  return (
    <section class={`card compared ${log.append_only ? "good" : "bad"}`} aria-label={words.says}>
      <div class="compared-head">
        <span class="verdict-icon"><Picture size={24} /></span>
        <div>
          <h2>{words.says}</h2>
          <p class="faint">{words.facts}</p>
        </div>
      </div>
      {log.changes.length > 0 && (
        <ol class="changes">
          {log.changes.slice(0, most).map((change, index) => (
            <li key={index}>
              <p class="change-says"><b>{change.kind === "inserted" ? "put in" : change.kind}</b>{(words.changes[index] ?? "").replace(/^[a-z ]+/, "")}</p>
              {change.old !== null && <Record choice={old} place={change.old} mark={change.kind === "gone" || change.kind === "changed" ? "gone" : ""} label="older" />}
              {change.new !== null && <Record choice={fresh} place={change.new} mark={change.kind === "moved" ? "" : "come"} label="newer" />}
            </li>
          ))}
        </ol>
      )}
      {most < log.changes.length && <p><button type="button" class="button small" onClick={() => setMost(most + 4 * PORTION)}>Show more of {count(log.changes.length)}</button></p>}
      {words.unlisted > 0 && <p class="faint">and {count(words.unlisted)} more, which are counted and not listed: papyra backup diff lists them.</p>}
    </section>
  );
}

/** What the record is, and the way to it. */
function Record({ choice, place, mark, label }: { choice: Choice; place: ComparedPlace; mark: string; label: string }) {
  const [row, setRow] = useState<Row | null | undefined>(undefined);
  useEffect(() => {
    let stale = false;
    recordAt(choice, place).then((found) => stale || setRow(found), () => stale || setRow(null));
    return () => {
      stale = true;
    };
  }, [choice, place]);
  return (
    <button type="button" class={`change-record ${mark}`} onClick={() => void showRecord(choice, place)}>
      <span class="faint">{label}</span>
      <span class="change-text mono">{row === undefined ? "…" : row === null ? "It cannot be shown here." : told(row)}</span>
      <span class="unseen">Show this record</span>
    </button>
  );
}

function told({ kind, type, actor, time, payload }: Row): string {
  return [kindName(kind, false), visible(type), visible(actor), time === null ? "" : moment(time), visible(payload)].filter((part) => part !== "").join(" · ");
}
