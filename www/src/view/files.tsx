// The files of a set, oldest first or as the head of the table asks: roles, damage where it lies, and buttons that correct the order.

import { computed } from "@preact/signals";
import { type FileRow, fileColumns, sorted } from "../state/columns";
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
import { SortHead } from "./heading";
import { Lower, Up } from "./icons";

const ROLES: Record<string, string> = {
  active: "active file",
  rotated: "rotated",
  orphan: "not part of the set",
  temporary: "left-over temporary",
};

const NUMBERS = new Set(["bytes", "records"]);

/** Where the findings of each source lie. */
const marksOf = computed(() => {
  const marks = new Map<number, number[]>();
  for (const { file, anomaly: { offset } } of found.value) {
    if (offset === undefined) continue;
    const list = marks.get(file);
    if (list === undefined) marks.set(file, [offset]);
    else list.push(offset);
  }
  return marks;
});

const rows = computed(() => sources.value.map(({ path, file }, index): FileRow => {
  const seen = seenOf(index);
  return {
    index,
    path,
    bytes: file.size,
    records: seen === undefined ? undefined : recordTotal(seen.records),
    first: seen?.first_timestamp ?? undefined,
    anomalies: seen?.anomaly_count ?? marksOf.value.get(index)?.length ?? 0,
  };
}));

export function Files() {
  const list = rows.value;
  const files = report.value?.files ?? [];
  if (list.length < 2) return null;
  const isAsRead = fileColumns.atoms.sorting.get().length === 0;
  const canMove = isAsRead && !isBackup.value && logs.value > 1 && sets.value.length === 1;
  const byManifest = redis.value.some(({ manifest }) => manifest !== null);
  return (
    <section class="card files" aria-labelledby="files-title">
      <div class="card-head">
        <h2 id="files-title">Files <span class="faint">{!isAsRead ? plural(list.length, "file") : rotation.value ? "in the order they were written, oldest first" : isBackup.value || byManifest ? "as the manifest lists them" : "as they were opened"}</span></h2>
        {items.value.length === 1 && choices.value.length > 1 && <CompareButton />}
      </div>
      <div class="grid-box">
        <table class="grid sortable file-table">
          <thead>
            <tr>
              {fileColumns.getAllLeafColumns().map((column) => <SortHead key={column.id} column={column} name={NUMBERS.has(column.id) ? "number" : ""} />)}
              {canMove && <th scope="col"><span class="unseen">Order</span></th>}
            </tr>
          </thead>
          <tbody>{sorted(fileColumns, list).map((row) => <Row key={row.index} row={row} last={list.length - 1} canMove={canMove} />)}</tbody>
        </table>
      </div>
      {files.filter((_, at) => reportSources.value[at] === null).map((file) => (
        <p key={file.path} class="hint warn">
          {file.anomalies.map((anomaly) => <span key={anomaly.detail}><b>{reasonTitle(anomaly.reason)}:</b> {visible(anomaly.detail)} </span>)}
        </p>
      ))}
    </section>
  );
}

function Row({ row: { index, path, bytes, records, anomalies }, last, canMove }: { row: FileRow; last: number; canMove: boolean }) {
  const busy = phase.value === "reading";
  const seen = seenOf(index);
  // The file above it in the set.
  const before = sets.value.length < 2 || sets.value.some(({ files }) => files.includes(index) && files.includes(index - 1)) ? seenOf(index - 1) : undefined;
  const isDamaged = backup.value?.damage.some(({ file }) => file === (sources.value[index]?.stored ?? "")) === true;
  const marks = marksOf.value.get(index) ?? [];
  // Places in a packed file are those of what it unpacks to, whose size is known at its end.
  const extent = packed.value[index] === true ? (seen?.bytes ?? 0) : bytes;
  const share = busy ? (progress.value.file > index ? 1 : progress.value.file === index ? progress.value.fileBytes / Math.max(1, bytes) : 0) : 1;
  const about = seen?.anomalies.filter((anomaly) => anomaly.offset === undefined) ?? [];
  return (
    <tr class="file-row">
      <th scope="row">
        <span class="file-name">
          <span class="mono">{visible(path)}</span>
          {index >= logs.value ? <span class="faint">{redisRole(path, seen)}</span> : seen !== undefined && <span class="faint">{ROLES[seen.role] ?? seen.role}</span>}
          {seen === undefined && backup.value !== null && <span class="faint">kept along, no log</span>}
          {isDamaged && <b class="bad-text">not as written</b>}
          {about.map((anomaly) => <b key={anomaly.reason} class="bad-text">{reasonTitle(anomaly.reason)}</b>)}
        </span>
      </th>
      <td data-label="Anomalies">
        <div class="file-marks">
          <Strip bytes={bytes} share={share} marks={extent === 0 ? [] : marks.map((offset) => offset / extent)} />
          {anomalies > 0 ? <b class="bad-text">{count(anomalies)}</b> : <span class="faint">{busy ? "" : "0"}</span>}
        </div>
      </td>
      <td class="number" data-label="Size">{size(bytes)}</td>
      <td class="number" data-label="Records">{records === undefined || busy ? "" : count(records)}</td>
      <td data-label="Time span">
        {seen !== undefined && !busy && <span>{timeSpan(seen.first_timestamp, seen.last_timestamp).ends}</span>}
        {rotation.value && overlaps(before, seen) && <b class="mend-text"> starts before the file above ends: in the wrong order, or the clock was restarted</b>}
      </td>
      {canMove && <td class="file-order" data-label="">
        {index < logs.value && <>
          <button type="button" class="button quiet square small" disabled={busy || index === 0} aria-label={`Move ${path} up`}
            onClick={() => moveSource(index, -1)}><Up size={16} /></button>
          <button type="button" class="button quiet square small" disabled={busy || index === Math.min(last, logs.value - 1)} aria-label={`Move ${path} down`}
            onClick={() => moveSource(index, 1)}><Lower size={16} /></button>
        </>}
      </td>}
    </tr>
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
