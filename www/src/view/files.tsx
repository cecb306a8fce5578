// The files of a set, oldest first: roles, damage where it lies, and buttons that correct the order.

import { moveSource } from "../state/actions";
import { backup, found, isBackup, logs, packed, phase, progress, redis, report, reportSources, rotation, seenOf, sets, sources } from "../state/session";
import { recordTotal, type FileReport } from "../../../web/package/src/report";
import { count, plural, size, timeSpan } from "../text/numbers";
import { visible } from "../text/escape";
import { formatOf } from "../text/redis";
import { reasonTitle } from "../text/words";
import { choices } from "../state/compare";
import { items } from "../state/workspace";
import { CompareButton } from "./compare";
import { Lower, Up } from "./icons";

const ROLES: Record<string, string> = {
  active: "active file",
  rotated: "rotated",
  orphan: "not part of the set",
  temporary: "left-over temporary",
};

export function Files() {
  const list = sources.value;
  const files = report.value?.files ?? [];
  if (list.length < 2) return null;
  const byManifest = redis.value.some(({ manifest }) => manifest !== null);
  return (
    <section class="card files" aria-labelledby="files-title">
      <div class="card-head">
        <h2 id="files-title">Files <span class="faint">{rotation.value ? "in the order they were written, oldest first" : isBackup.value || byManifest ? "as the manifest lists them" : "as they were opened"}</span></h2>
        {items.value.length === 1 && choices.value.length > 1 && <CompareButton />}
      </div>
      <ol class="file-list">
        {list.map((source, index) => (
          <li key={index}>
            <FileRow index={index} path={source.path} bytes={source.file.size} seen={seenOf(index)} before={sets.value.length < 2 || sets.value.some(({ files }) => files.includes(index) && files.includes(index - 1)) ? seenOf(index - 1) : undefined} last={list.length - 1} />
          </li>
        ))}
      </ol>
      {files.filter((_, at) => reportSources.value[at] === null).map((file) => (
        <p key={file.path} class="hint warn">
          {file.anomalies.map((anomaly) => <span key={anomaly.detail}><b>{reasonTitle(anomaly.reason)}:</b> {visible(anomaly.detail)} </span>)}
        </p>
      ))}
    </section>
  );
}

interface RowProps {
  index: number;
  path: string;
  bytes: number;
  seen: FileReport | undefined;
  /** The file above it. */
  before: FileReport | undefined;
  last: number;
}

function FileRow({ index, path, bytes, seen, before, last }: RowProps) {
  const busy = phase.value === "reading";
  const isDamaged = backup.value?.damage.some(({ file }) => file === (sources.value[index]?.stored ?? "")) === true;
  const marks = found.value.filter((entry) => entry.file === index && entry.anomaly.offset !== undefined);
  // Places in a packed file are those of what it unpacks to, whose size is known at its end.
  const extent = packed.value[index] === true ? (seen?.bytes ?? 0) : bytes;
  const total = seen?.anomaly_count ?? marks.length;
  const share = busy ? (progress.value.file > index ? 1 : progress.value.file === index ? progress.value.fileBytes / Math.max(1, bytes) : 0) : 1;
  const about = seen?.anomalies.filter((anomaly) => anomaly.offset === undefined) ?? [];
  return (
    <div class="file-row">
      <div class="file-name">
        <span class="mono">{visible(path)}</span>
        {index >= logs.value ? <span class="faint">{redisRole(path, seen)}</span> : seen !== undefined && <span class="faint">{ROLES[seen.role] ?? seen.role}</span>}
        {seen === undefined && backup.value !== null && <span class="faint">kept along, no log</span>}
        {isDamaged && <b class="bad-text">not as written</b>}
      </div>
      <Strip bytes={bytes} share={share} marks={extent === 0 ? [] : marks.map((entry) => (entry.anomaly.offset ?? 0) / extent)} />
      <div class="file-facts faint">
        <span>{size(bytes)}</span>
        {seen !== undefined && !busy && <span>{plural(recordTotal(seen.records), "record")}</span>}
        {seen !== undefined && !busy && <span>{timeSpan(seen.first_timestamp, seen.last_timestamp).ends}</span>}
        {total > 0 && <b class="bad-text">{plural(total, "anomaly", "anomalies")}</b>}
        {rotation.value && overlaps(before, seen) && <b class="mend-text">starts before the file above ends: in the wrong order, or the clock was restarted</b>}
        {about.map((anomaly) => <b key={anomaly.reason} class="bad-text">{reasonTitle(anomaly.reason)}</b>)}
      </div>
      {!isBackup.value && index < logs.value && logs.value > 1 && sets.value.length === 1 && <div class="file-order">
        <button type="button" class="button quiet square small" disabled={busy || index === 0} aria-label={`Move ${path} up`}
          onClick={() => moveSource(index, -1)}><Up size={16} /></button>
        <button type="button" class="button quiet square small" disabled={busy || index === Math.min(last, logs.value - 1)} aria-label={`Move ${path} down`}
          onClick={() => moveSource(index, 1)}><Lower size={16} /></button>
      </div>}
    </div>
  );
}

function redisRole(path: string, seen: FileReport | undefined): string {
  if (seen?.backup !== undefined) return formatOf(seen.backup);
  if (redis.value.some(({ manifest }) => manifest === path)) return "manifest";
  return phase.value === "reading" ? "" : "no longer needed by the server";
}

function overlaps(before: FileReport | undefined, seen: FileReport | undefined): boolean {
  const end = before?.last_timestamp ?? null;
  const start = seen?.first_timestamp ?? null;
  return end !== null && start !== null && start < end;
}

/** The file from end to end, with a tick where something is wrong. */
export function Strip({ bytes, share, marks }: { bytes: number; share: number; marks: readonly number[] }) {
  // Ticks closer than a pixel are one tick.
  const places = [...new Set(marks.map((mark) => Math.round(mark * 500)))];
  return (
    <svg class="strip" viewBox="0 0 500 10" preserveAspectRatio="none" role="img"
      aria-label={`${count(bytes)} bytes, ${places.length === 0 ? "no damage seen" : `damage in ${plural(places.length, "place")}`}`}>
      <rect class="strip-base" width="500" height="10" rx="0" />
      <rect class="strip-read" width={500 * share} height="10" />
      {places.map((place) => <rect key={place} class="strip-mark" x={Math.min(497, place)} width="3" height="10" />)}
    </svg>
  );
}
