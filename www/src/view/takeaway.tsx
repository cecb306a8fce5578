// What the operator takes away: repaired files, rejected bytes, the report, a summary, the command for the server.

import { recordTotal } from "../../../web/package/src/report";
import { archive, bytesOf, isBackup, logs, looksLike, packed, phase, plans, redis, remedies, report, reportText, seenOf, sources } from "../state/session";
import { copy } from "../take/clipboard";
import { at, items } from "../state/workspace";
import { logCommands, redisCommands, sameCommand } from "../take/command";
import { download, rejectedName, rejectedOf, repairedName, repairedOf } from "../take/repair";
import { summary } from "../take/summary";
import { plural, size } from "../text/numbers";
import { visible } from "../text/escape";
import { useState } from "preact/hooks";
import { Copy, Down, Sheet } from "./icons";
import { print } from "./printed";
import { CopyButton } from "./small";

export function TakeAway() {
  const seen = report.value;
  if (seen === null || phase.value !== "done") return null;
  const damaged = seen.verdict !== "clean" && looksLike.value === null && recordTotal(seen.totals.records) + seen.totals.salvageable > 0;
  const paths = sources.value.map((source) => source.path);
  const ofLogs = damaged && logs.value > 0 && seen.files.some((file) => file.backup === undefined && file.anomaly_count > 0);
  return (
    <section class="card take" aria-labelledby="take-title">
      <h2 id="take-title">{damaged ? "Recover" : "Export"}</h2>
      {ofLogs && <Repairs />}
      {ofLogs && !isBackup.value && (
        <div class="server">
          <p>{archive.value === null
            ? `On the server, where ${logCommands().length === 1 ? "the log lies" : "the logs lie"}:`
            : "On the server, once the archive is unpacked:"}</p>
          {logCommands().slice(0, 50).map((text) => <Command key={text} text={text} />)}
        </div>
      )}
      {(damaged || seen.verdict === "clean") && <OfRedis commands={redisCommands(paths, redis.value, remedies.value)} />}
      <SameCommand />
      <div class="take-buttons">
        <button type="button" class="button" onClick={() => download(new Blob([reportText.value], { type: "application/json" }), "papyra-report.json")}>
          <Down /> JSON report
        </button>
        <button type="button" class="button" onClick={() => copy(summary(), "the summary")}><Copy /> Copy summary</button>
        <button type="button" class="button" onClick={print}><Sheet /> Print report</button>
      </div>
    </section>
  );
}

/** Of several folders the command line reads one at a time. */
function SameCommand() {
  const unit = items.value.length > 1 ? items.value[at.value]?.unit : undefined;
  const text = unit === undefined ? null : sameCommand(unit);
  if (unit === undefined || text === null) return null;
  return (
    <div class="server">
      <p>{unit.archive === undefined ? "The same check" : "The same check, once the archive is unpacked,"} on the command line, which reads one folder at a time:</p>
      <Command text={text} />
    </div>
  );
}

function Command({ text }: { text: string }) {
  return (
    <div class="command-row">
      <pre class="command" tabIndex={0}>{text}</pre>
      <CopyButton text={text} label="the command" class="button" />
    </div>
  );
}

/** A Redis backup is repaired and exported by the command line alone. */
function OfRedis({ commands }: { commands: readonly string[] }) {
  if (commands.length === 0) return null;
  const recovers = commands.some((text) => text.startsWith("papyra persistence"));
  return (
    <div class="server">
      <p>{recovers
        ? "On the server, with Redis stopped: what is damaged is cut out and kept, every whole command stays."
        : "The streams as logs that Papyra reads, with their consumer groups; the backup stays as it is:"}</p>
      {commands.slice(0, 50).map((text) => <Command key={text} text={text} />)}
    </div>
  );
}

function Repairs() {
  const [busy, setBusy] = useState("");
  const [failed, setFailed] = useState("");
  const work = plans.value.map((plan, index) => ({ plan, index, source: sources.value[index], bytes: bytesOf(index), isPacked: packed.value[index] === true }))
    .filter(({ plan, source, index }) => source !== undefined && isMember(index) && (plan.rejected_bytes > 0 || plan.newlines > 0));
  const make = async (label: string, build: () => Promise<Blob>, name: string) => {
    setBusy(label);
    setFailed("");
    try {
      download(await build(), name);
    } catch {
      setFailed("The file can no longer be read, or changed since it was scanned. Read it again.");
    }
    setBusy("");
  };
  return (
    <ul class="repairs">
      {work.map(({ plan, index, source, bytes, isPacked }) => source !== undefined && (
        <li key={index}>
          <div class="repair-words">
            {work.length > 1 && <b class="mono">{visible(source.path)}</b>}
            <span>
              Keeps {size(plan.kept_bytes)}
              {plan.newlines > 0 && `, adds ${plural(plan.newlines, "newline")}`}
              {plan.rejected_bytes > 0 && `, sets ${plural(plan.rejected_bytes, "byte")} aside`}{isPacked ? " of the unpacked log." : "."}
            </span>
          </div>
          {plan.truncated || bytes === null ? (
            <p class="faint">{bytes === null ? "Too large to unpack here" : "Too many places for the page"}: use the command below.</p>
          ) : (
            <div class="repair-buttons">
              <button type="button" class="button primary" disabled={busy !== ""}
                onClick={() => make(`repaired ${source.path}`, () => repairedOf(bytes, plan), repairedName(source.path))}>
                <Down /> Repaired file{work.length > 1 && <span class="unseen"> {source.path}</span>}
              </button>
              {plan.rejected_bytes > 0 && (
                <button type="button" class="button" disabled={busy !== ""}
                  onClick={() => make(`rejected ${source.path}`, () => rejectedOf(bytes, plan), rejectedName(source.path))}>
                  <Down /> Rejected bytes{work.length > 1 && <span class="unseen"> {source.path}</span>}
                </button>
              )}
            </div>
          )}
        </li>
      ))}
      {busy !== "" && <li role="status">Preparing {visible(busy)}…</li>}
      {failed !== "" && <li class="bad-text" role="alert">{failed}</li>}
    </ul>
  );
}

/** Recovery repairs members of the history; what lies beside it stays as it is. */
function isMember(file: number): boolean {
  const role = seenOf(file)?.role;
  return role === "active" || role === "rotated";
}
