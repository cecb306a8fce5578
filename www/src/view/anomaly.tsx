// One anomaly in full: what it is, where, its bytes with their neighbours, and what recovery would do.

import { useEffect, useState } from "preact/hooks";
import type { Anomaly } from "../../../web/package/src/report";
import { type Window, windowAround } from "../read/bytes";
import { linkTo } from "../state/address";
import { type Found, bytesOf, isDump, logs, pathOf, seenOf, sources } from "../state/session";
import { count, hex, plural } from "../text/numbers";
import { visible } from "../text/escape";
import { reasonMeaning, reasonTitle } from "../text/words";
import { BytesView } from "./bytes";
import { CopyButton, CopyValue } from "./small";

export function AnomalyDetail({ entry }: { entry: Found }) {
  const { anomaly } = entry;
  const path = pathOf(entry.file);
  return (
    <article class="anomaly" aria-labelledby="anomaly-title" aria-live="off">
      <header>
        <h3 id="anomaly-title">{reasonTitle(anomaly.reason)} <span class="type mono">{anomaly.type}</span></h3>
        <p>{reasonMeaning(anomaly.reason)}</p>
      </header>
      <dl class="facts row">
        <div><dt>File</dt><dd class="mono">{visible(path)}</dd></div>
        {anomaly.key !== undefined && <div><dt>Stream</dt><dd><CopyValue text={visible(anomaly.key)} label="the stream's key" shown={visible(anomaly.key)} /></dd></div>}
        {anomaly.id !== undefined && <div><dt>Entry</dt><dd><CopyValue text={anomaly.id} label="the entry's ID" shown={anomaly.id} /></dd></div>}
        {anomaly.line !== undefined && <div><dt>Line</dt><dd>{count(anomaly.line)}</dd></div>}
        {anomaly.offset !== undefined && (
          <div>
            <dt>Byte offset</dt>
            <dd>
              <CopyValue text={String(anomaly.offset)} label="the offset" shown={count(anomaly.offset)} />{" "}
              <CopyValue text={hex(anomaly.offset)} label="the offset in hex" shown={hex(anomaly.offset)} />
            </dd>
          </div>
        )}
        {anomaly.length !== undefined && <div><dt>Length</dt><dd>{plural(anomaly.length, "byte")}</dd></div>}
      </dl>
      <p class="finding">{asSentence(visible(anomaly.detail))}</p>
      {isRedis(entry) ? <RedisFate anomaly={anomaly} /> : <Fate anomaly={anomaly} />}
      {anomaly.offset !== undefined && <Evidence key={`${entry.file}:${anomaly.offset}`} entry={entry} />}
      {anomaly.offset !== undefined && (
        <p class="anomaly-links"><CopyButton text={linkTo(path, anomaly.offset)} label="a link to this place" shown="Copy link to this place" /></p>
      )}
    </article>
  );
}

/** What recovery would do with it. */
function Fate({ anomaly }: { anomaly: Anomaly }) {
  const salvaged = anomaly.salvaged ?? [];
  const kept = salvaged.reduce((sum, part) => sum + part.length, 0);
  const dropped = (anomaly.length ?? 0) - kept;
  let words: string;
  if (anomaly.reason === "rotation_gap") words = "Recovery cannot bring a missing file back.";
  else if (anomaly.length === undefined) words = "Recovery reports it and leaves it where it is, unless it runs in quarantine mode.";
  else if (anomaly.reason === "missing_newline") words = "Recovery keeps the record and writes the newline behind it.";
  else if (salvaged.length > 0) {
    words = `Recovery saves ${plural(salvaged.length, "intact record")} (${plural(kept, "byte")})` +
      (dropped > 0 ? ` and sets the other ${plural(dropped, "byte")} aside.` : " and puts each on a line of its own.");
  } else if (dropped === 0) words = "Recovery removes the empty line.";
  else words = `Recovery sets ${plural(dropped, "byte")} aside: kept in the rejects, gone from the log.`;
  return <p class={`fate ${salvaged.length > 0 || anomaly.reason === "missing_newline" ? "saves" : "drops"}`}>{words}</p>;
}

/** Streams in a backup folder stand among the logs; while reading, an entry's ID gives them away. */
function isRedis({ file, anomaly }: Found): boolean {
  if (anomaly.id !== undefined || anomaly.reason === "broken_manifest" || seenOf(file)?.backup !== undefined) return true;
  return file >= logs.value && file < sources.value.length;
}

/** Commands are text for the most part, dumps are not. */
function isBinary({ file, anomaly }: Found): boolean {
  if (file < logs.value) return anomaly.id !== undefined || seenOf(file)?.backup !== undefined;
  return isDump(file);
}

const COMMANDS = new Set(["torn_tail", "broken_command", "unfinished_transaction"]);

/** Append-only files are recovered; a dump is only exported from. */
function RedisFate({ anomaly }: { anomaly: Anomaly }) {
  let words = "Nothing is repaired here in place: an export writes out every intact record.";
  if (anomaly.id !== undefined) words = "An export writes out the intact records and leaves this entry out; the backup is not changed.";
  else if (COMMANDS.has(anomaly.reason) && anomaly.length !== undefined) {
    words = `Recovery sets ${plural(anomaly.length, "byte")} aside: kept in the rejects, gone from the file.`;
  } else if (anomaly.offset === undefined) words = "Recovery cannot bring a missing file back.";
  return <p class="fate drops">{words}</p>;
}

function Evidence({ entry }: { entry: Found }) {
  const [bytes, setBytes] = useState<Window | "failed" | null>(null);
  // Of a packed file what was unpacked is there when the reading is over; before, its own bytes would be shown.
  const file = bytesOf(entry.file);
  useEffect(() => {
    let stale = false;
    if (file === null) return setBytes("failed");
    setBytes(null);
    windowAround(file, entry.anomaly, isBinary(entry)).then(
      (result) => stale || setBytes(result),
      () => stale || setBytes("failed"),
    );
    return () => {
      stale = true;
    };
  }, [file, entry]);
  if (bytes === null) return <div class="bytes-wait" aria-hidden="true" />;
  if (bytes === "failed") {
    const { excerpt } = entry.anomaly;
    return (
      <>
        <pre class="excerpt">{excerpt === undefined ? "" : visible(excerpt)}</pre>
        <p class="faint small-print">{file === null ? "The first bytes of the damage. Its neighbours can be shown once the file is unpacked." : "The file can no longer be read."}</p>
      </>
    );
  }
  return <BytesView window={bytes} />;
}

function asSentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}
