// What was checked, what was not, and the notes about intact records.

import { hasRedis } from "../state/redis-verdict";
import { backup, isBackup, looksLike, noteMeanings, phase, redis, report, sources } from "../state/session";
import { plural } from "../text/numbers";

export function Checked() {
  const seen = report.value;
  if (seen === null || looksLike.value !== null) return null;
  const one = sources.value.length === 1;
  if (hasRedis(seen)) return <CheckedRedis />;
  return (
    <section class="card checked" aria-labelledby="checked-title">
      <h2 id="checked-title">What was checked, and what was not</h2>
      <div class="columns">
        <div>
          <h3>Checked</h3>
          <ul class="ticks">
            <li>Every byte{phase.value === "cancelled" ? " up to where reading stopped" : ""}: UTF-8, JSON as Papyra reads it, one record a line</li>
            <li>Each record's kind, required fields and timestamp</li>
            {backup.value !== null && <li>Each file's size and SHA-256 against the manifest, and the manifest against SHA256SUMS</li>}
            {!one && <li>The numbers of the rotation set: gaps, and files that do not belong</li>}
            <li>That the {one ? "file" : "files"} did not change while being read</li>
          </ul>
        </div>
        <div>
          <h3>Not checked</h3>
          <ul class="crosses">
            <li>Whether records are missing from the log that were never written, or were removed whole</li>
            <li>Whether payloads mean what they should</li>
            {one && !isBackup.value && <li>Rotated files that belong to this one: open the whole set to include them</li>}
            {isBackup.value
              ? <li>Whether somebody changed a file and its manifest alike: keep a copy of SHA256SUMS elsewhere</li>
              : <li>Checksums of a backup: open its folder, and they are compared with its manifest</li>}
          </ul>
        </div>
      </div>
      <Notes />
    </section>
  );
}

function CheckedRedis() {
  return (
    <section class="card checked" aria-labelledby="checked-title">
      <h2 id="checked-title">What was checked, and what was not</h2>
      <div class="columns">
        <div>
          <h3>Checked</h3>
          <ul class="ticks">
            <li>Every byte{phase.value === "cancelled" ? " up to where reading stopped" : ""}: the structure of the file, and its checksum where it has one</li>
            <li>Every stream: its blocks, counts and IDs, its groups, consumers and pending entries against each other</li>
            <li>Every entry of Papyra's streams: that its data is an intact record</li>
            {backup.value !== null && <li>Each file's size and SHA-256, and each stream's entries and facts, against the manifest</li>}
            {report.value?.files.some((file) => file.backup === undefined && file.role !== "missing") && <li>Logs: UTF-8, JSON as Papyra reads it, one record a line</li>}
            {redis.value.some(({ what }) => what === "aof") && <li>Every command, and the state that they come to in the manifest's order</li>}
          </ul>
        </div>
        <div>
          <h3>Not checked</h3>
          <ul class="crosses">
            <li>Values of other types: they are skipped, not checked</li>
            {isBackup.value && <li>Whether somebody changed a file and its manifest alike: keep a copy of SHA256SUMS elsewhere</li>}
            <li>Whether entries are missing that were never written, or were trimmed away</li>
            <li>Whether payloads mean what they should</li>
          </ul>
        </div>
      </div>
      <Notes />
    </section>
  );
}

function Notes() {
  const notes = Object.entries(report.value?.totals.notes ?? {});
  if (notes.length === 0) return null;
  return (
    <div class="notes">
      <h3>Notes <span class="faint">about intact records; they do not change the verdict</span></h3>
      <ul>{notes.map(([note, times]) => <li key={note}>{plural(times, "record")} {noteMeanings.value[note] ?? note}</li>)}</ul>
    </div>
  );
}
