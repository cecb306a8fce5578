// A record opened at the side: its fields as a tree, its bytes, what is wrong with it, and the way to its neighbours.

import { useEffect, useRef, useState } from "preact/hooks";
import { found, pathOf, sources } from "../state/session";
import { arrived, cursor, listingOf, open, placeOf, rowAt, rowTotal, step, textOf } from "../state/table";
import { type JsonEntry, type JsonNode, parseJson, pretty } from "../text/json";
import { count, hex, moment, plural } from "../text/numbers";
import { visible, visibleBytes } from "../text/escape";
import { kindName, reasonMeaning, reasonTitle } from "../text/words";
import { linkTo } from "../state/address";
import { Cross, Lower, Up } from "./icons";
import { CopyButton } from "./small";

/** A longer record is shown up to here; all of it can be saved. */
const LONGEST = 4 << 20;
/** Entries of one object or array that are drawn at once. */
const MOST = 100;

export function RecordPanel() {
  void arrived.value;
  const row = cursor.value;
  const place = open.value && row !== null ? placeOf(row) : undefined;
  const data = place === undefined ? undefined : rowAt(place);
  const box = useRef<HTMLElement>(null);
  const isOpen = place !== undefined;
  useEffect(() => {
    if (isOpen) box.current?.focus({ preventScroll: true });
  }, [isOpen]);
  if (place === undefined || row === null) return null;
  const blob = textOf(place.file);
  const wrong = found.value.find((entry) => entry.file === place.file && entry.anomaly.line === place.line + 1)?.anomaly;
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  };
  return (
    <aside class="record-panel card" ref={box} tabIndex={-1} aria-labelledby="record-title" onKeyDown={keys}>
      <header class="record-head">
        <h2 id="record-title">
          {data === undefined ? "Record" : data.damaged ? "Damaged line" : <><span class={`swatch ${data.kind}`} aria-hidden="true" />{data.type === "" ? kindName(data.kind, false) : visible(data.type)}</>}
        </h2>
        <div class="record-steps">
          <button type="button" class="button quiet square small" aria-label="Previous record" disabled={row === 0} onClick={() => step(-1)}><Up size={16} /></button>
          <button type="button" class="button quiet square small" aria-label="Next record" disabled={row >= rowTotal() - 1} onClick={() => step(1)}><Lower size={16} /></button>
          <button type="button" class="button quiet square small" aria-label="Close the record" onClick={close}><Cross size={16} /></button>
        </div>
      </header>
      {data !== undefined && (
        <dl class="facts row">
          {sources.value.length > 1 && <div><dt>File</dt><dd class="mono">{visible(pathOf(place.file))}</dd></div>}
          <div><dt>{listingOf(place.file) === undefined ? "Line" : "No."}</dt><dd>{count(place.line + 1)}</dd></div>
          {listingOf(place.file) === undefined && <div><dt>Byte offset</dt><dd class="mono">{count(data.offset)} <span class="faint">{hex(data.offset)}</span></dd></div>}
          <div><dt>Length</dt><dd>{plural(data.length, "byte")}</dd></div>
          {data.time !== null && <div><dt>Time</dt><dd>{moment(data.time, true)}</dd></div>}
          {data.actor !== "" && <div><dt>Actor</dt><dd class="mono">{visible(data.actor)}</dd></div>}
        </dl>
      )}
      {wrong !== undefined && <p class="fate drops"><b>{reasonTitle(wrong.reason)}.</b> {reasonMeaning(wrong.reason)}</p>}
      {data !== undefined && blob !== null && <Content key={`${place.file}:${data.offset}`} blob={blob.slice(data.offset, data.offset + data.length)} link={linkTo(pathOf(place.file), data.offset)} />}
    </aside>
  );
}

function close() {
  open.value = false;
  const row = cursor.value;
  requestAnimationFrame(() => document.querySelector<HTMLElement>(row === null ? ".table" : `.table-row[aria-rowindex="${row + 2}"]`)?.focus());
}

function Content({ blob, link }: { blob: Blob; link: string }) {
  const [text, setText] = useState<{ bytes: Uint8Array; node: JsonNode | null } | "failed" | null>(null);
  const [face, setFace] = useState<"fields" | "raw">("fields");
  useEffect(() => {
    let stale = false;
    blob.slice(0, LONGEST).arrayBuffer().then(
      (buffer) => {
        const bytes = new Uint8Array(buffer);
        const node = blob.size > LONGEST ? null : parsed(bytes);
        if (!stale) setText({ bytes, node });
      },
      () => stale || setText("failed"),
    );
    return () => {
      stale = true;
    };
  }, []);
  if (text === null) return <div class="bytes-wait" aria-hidden="true" />;
  if (text === "failed") return <p class="bad-text">The file can no longer be read.</p>;
  const { bytes, node } = text;
  const raw = node === null || face === "raw";
  return (
    <>
      <div class="record-tools">
        {node !== null && (
          <div class="faces" role="group" aria-label="Show the record as">
            <button type="button" class="chip" aria-pressed={!raw} onClick={() => setFace("fields")}>Fields</button>
            <button type="button" class="chip" aria-pressed={raw} onClick={() => setFace("raw")}>Raw</button>
          </div>
        )}
        <CopyButton text={node === null ? new TextDecoder().decode(bytes) : pretty(node)} label="the record" />
        <CopyButton text={link} label="a link to this record" shown="Copy link" />
      </div>
      {raw
        ? <pre class="record-raw" tabIndex={0} aria-label="The record's bytes">{visibleBytes(bytes)}</pre>
        : <div class="json" role="group" aria-label="The record's fields"><Entries entries={"entries" in node ? node.entries : [{ key: null, value: node }]} deep={0} /></div>}
      {blob.size > LONGEST && <p class="faint">The first {count(LONGEST)} of {plural(blob.size, "byte")}.</p>}
    </>
  );
}

function parsed(bytes: Uint8Array): JsonNode | null {
  try {
    return parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes).trim());
  } catch {
    return null;
  }
}

function Entries({ entries, deep }: { entries: readonly JsonEntry[]; deep: number }) {
  const [most, setMost] = useState(MOST);
  return (
    <ul>
      {entries.slice(0, most).map(({ key, value }, index) => <li key={index}><Field name={key ?? String(index)} value={value} deep={deep} /></li>)}
      {entries.length > most && <li><button type="button" class="link" onClick={() => setMost(most + 10 * MOST)}>Show more of {count(entries.length)}</button></li>}
    </ul>
  );
}

function Field({ name, value, deep }: { name: string; value: JsonNode; deep: number }) {
  const [shown, setShown] = useState(deep < 2);
  if ("raw" in value) {
    return <div class="json-field"><span class="json-key">{visible(name)}</span> <span class={`json-${value.kind}`}>{visible(value.text)}</span></div>;
  }
  const many = value.kind === "object" ? plural(value.entries.length, "field") : plural(value.entries.length, "entry", "entries");
  return (
    <details open={shown} onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary><span class="json-key">{visible(name)}</span> <span class="faint">{many}</span></summary>
      {shown && <Entries entries={value.entries} deep={deep + 1} />}
    </details>
  );
}
