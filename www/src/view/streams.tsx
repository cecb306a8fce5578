// What a Redis backup holds: each file's own marks, the streams, and the consumer groups with what is pending.

import { useState } from "preact/hooks";
import type { FileReport, StreamReport } from "../../../web/package/src/report";
import { recordTotal } from "../../../web/package/src/report";
import { report } from "../state/session";
import { count, plural } from "../text/numbers";
import { visible } from "../text/escape";
import { CHECKSUMS, checksumOf, formatOf, others, streamName } from "../text/redis";

/** Rows drawn at once; more on demand. */
const MOST = 200;
/** Consumers shown of one group. */
const MOST_CONSUMERS = 50;

export function Streams() {
  const files = report.value?.files.filter((file) => file.backup !== undefined) ?? [];
  if (files.length === 0) return null;
  const streams = files.flatMap((file) => file.streams ?? []);
  return (
    <section class="card streams" aria-labelledby="streams-title">
      <h2 id="streams-title">In this Redis backup</h2>
      <ul class="marks">{files.map((file) => <Marks key={file.path} file={file} alone={files.length === 1} />)}</ul>
      {streams.length > 0 && <StreamTable streams={streams} />}
      <Groups streams={streams} />
    </section>
  );
}

function Marks({ file, alone }: { file: FileReport; alone: boolean }) {
  const { backup } = file;
  if (backup === undefined) return null;
  const checksum = CHECKSUMS[checksumOf(backup)];
  const own = file.streams?.filter((stream) => stream.papyra === undefined).length ?? 0;
  const rest = others(backup.other_keys, Math.max(own, backup.other_streams));
  return (
    <li>
      {!alone && <b class="mono">{visible(file.path)}</b>}
      <span>{formatOf(backup)}</span>
      {backup.format !== "manifest" && <span class={`badge ${checksum.tone}`} title={checksum.meaning}>{checksum.title}</span>}
      {backup.commands !== undefined && backup.commands > 0 && <span class="faint">{plural(backup.commands, "command")}</span>}
      {rest !== "" && <span class="faint">{rest}</span>}
    </li>
  );
}

function StreamTable({ streams }: { streams: readonly StreamReport[] }) {
  const [most, setMost] = useState(MOST);
  return (
    <>
      <div class="grid-box">
        <table class="grid" role="table" aria-label="Streams">
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">Stream</th>
              <th role="columnheader" scope="col" class="number">Length</th>
              <th role="columnheader" scope="col">First and last ID</th>
              <th role="columnheader" scope="col" class="number">Ever added</th>
              <th role="columnheader" scope="col" class="number">Groups</th>
              <th role="columnheader" scope="col" class="number">Consumers</th>
              <th role="columnheader" scope="col" class="number">Pending</th>
            </tr>
          </thead>
          <tbody role="rowgroup">{streams.slice(0, most).map((stream) => <StreamRow key={`${stream.db}:${stream.offset}:${stream.key}`} stream={stream} />)}</tbody>
        </table>
      </div>
      <More left={streams.length - most} what="stream" show={() => setMost(most + 5 * MOST)} />
    </>
  );
}

function StreamRow({ stream }: { stream: StreamReport }) {
  const { system, kind } = streamName(stream);
  return (
    <tr role="row">
      <th role="rowheader" scope="row"><div class="stack">
        <span class="stream-name">{system !== "" && <b>{visible(system)}</b>} {kind}</span>
        <span class="mono faint">{visible(stream.key)}{stream.db > 0 && ` in database ${stream.db}`}</span>
        {stream.incomplete === true && (
          <b class="bad-text">broken off: {plural(recordTotal(stream.records), "intact record")} before that</b>
        )}
        {stream.bad_entries > 0 && <b class="bad-text">{stream.bad_entries === 1 ? "1 entry is" : `${count(stream.bad_entries)} entries are`} no record</b>}
        {stream.expire_ms !== undefined && <span class="mend-text">expires {when(stream.expire_ms)}</span>}
      </div></th>
      {stream.incomplete === true ? <td role="cell" colSpan={6} class="faint" data-label="">Its length, IDs and groups are past the place where reading ended.</td> : (
        <>
          <td role="cell" class="number" data-label="Length">{count(stream.length)}</td>
          <td role="cell" class="mono ids" data-label="First and last ID">{stream.first_id === null ? <span class="faint">empty; last {stream.last_id}</span> : <>{stream.first_id}<br />{stream.last_id}</>}</td>
          <td role="cell" class="number" data-label="Ever added">{count(stream.entries_added)}</td>
          <td role="cell" class="number" data-label="Groups">{count(stream.groups)}</td>
          <td role="cell" class="number" data-label="Consumers">{count(stream.consumers)}</td>
          <td role="cell" class="number" data-label="Pending">{count(stream.pending)}</td>
        </>
      )}
    </tr>
  );
}

function Groups({ streams }: { streams: readonly StreamReport[] }) {
  const [most, setMost] = useState(MOST);
  const groups = streams.flatMap((stream) => stream.consumer_groups.map((group) => ({ stream, group })));
  if (groups.length === 0) return null;
  return (
    <>
      <h3 id="groups-title">Consumer groups <span class="faint">and the entries that were delivered and not yet acknowledged</span></h3>
      <div class="grid-box">
        <table class="grid groups" role="table" aria-labelledby="groups-title">
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">Group</th>
              <th role="columnheader" scope="col">Delivered up to</th>
              <th role="columnheader" scope="col" class="number">Read</th>
              <th role="columnheader" scope="col" class="number">Pending</th>
              <th role="columnheader" scope="col">Pending per consumer</th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {groups.slice(0, most).map(({ stream, group }) => (
              <tr role="row" key={`${stream.db}:${stream.offset}:${stream.key}:${group.name}`}>
                <th role="rowheader" scope="row"><div class="stack">
                  <b>{visible(group.name)}</b>
                  <span class="mono faint">{visible(stream.key)}{stream.db > 0 && ` in database ${stream.db}`}</span>
                </div></th>
                <td role="cell" class="mono ids" data-label="Delivered up to">{group.last_delivered}</td>
                <td role="cell" class="number" data-label="Read">{group.entries_read === undefined ? <span class="faint">unknown</span> : count(group.entries_read)}</td>
                <td role="cell" class="number" data-label="Pending">{count(group.pending)}</td>
                <td role="cell" data-label="Pending per consumer"><Consumers group={group} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <More left={groups.length - most} what="group" show={() => setMost(most + 5 * MOST)} />
    </>
  );
}

/** Each consumer with its share of what is pending, as a number and a bar. */
function Consumers({ group }: { group: StreamReport["consumer_groups"][number] }) {
  const { consumers } = group;
  if (consumers.length === 0) return <span class="faint">no consumer</span>;
  const top = Math.max(1, ...consumers.slice(0, MOST_CONSUMERS).map((consumer) => consumer.pending));
  return (
    <ul class="consumers">
      {consumers.slice(0, MOST_CONSUMERS).map((consumer) => (
        <li key={consumer.name} title={consumer.seen_time > 0 ? `seen ${when(consumer.seen_time)}` : ""}>
          <span class="consumer-name">{visible(consumer.name)}</span>
          <span class="number">{count(consumer.pending)}</span>
          <span class="share" aria-hidden="true"><span style={{ width: `${(consumer.pending / top) * 100}%` }} /></span>
        </li>
      ))}
      {consumers.length > MOST_CONSUMERS && <li class="faint">and {plural(consumers.length - MOST_CONSUMERS, "more consumer")}</li>}
    </ul>
  );
}

function More({ left, what, show }: { left: number; what: string; show: () => void }) {
  if (left <= 0) return null;
  return <p class="more"><button type="button" class="button small" onClick={show}>Show more</button> <span class="faint">{plural(left, `${what}`)} not shown</span></p>;
}

/** Unix milliseconds as a date; a damaged file may hold any number. */
function when(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? "at no possible time" : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
