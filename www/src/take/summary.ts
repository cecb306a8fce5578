// A few lines of plain text for the incident ticket.

import { recordTotal } from "../../../web/package/src/report";
import { backup, found, redis, remedies, report, sources, timeline } from "../state/session";
import { hasRedis } from "../state/redis-verdict";
import { verdict } from "../state/verdict";
import { count, exactSize, hex, plural, timeSpan } from "../text/numbers";
import { visible } from "../text/escape";
import { kindName, reasonTitle } from "../text/words";
import { logCommands, redisCommands } from "./command";

/** More would drown the ticket; the report has them all. */
const MOST = 10;

export function summary(): string {
  const seen = report.value;
  if (seen === null) return "";
  const { totals } = seen;
  const { title, sentence } = verdict();
  const kinds = (["event", "dead_letter", "audit", "other"] as const)
    .filter((kind) => (totals.records[kind]) > 0)
    .map((kind) => `${count(totals.records[kind])} ${kindName(kind, totals.records[kind] !== 1)}`);
  const [first, last] = timeline.value?.span ?? [totals.first_timestamp, totals.last_timestamp];
  const span = timeSpan(first, last);
  const lines = [
    `${title}: ${sources.value.map((source) => visible(source.path)).join(", ")}`,
    sentence,
    `${exactSize(totals.bytes)}, ${hasRedis(seen) ? plural(totals.lines, "entry", "entries") : plural(totals.lines, "line")}, ${plural(recordTotal(totals.records), "intact record")}${kinds.length > 0 ? ` (${kinds.join(", ")})` : ""}`,
    `Time span: ${span.title}${span.ends === "" ? "" : `, ${span.ends}`}`,
  ];
  for (const { file, detail, recovery } of backup.value?.damage ?? []) lines.push(`- ${visible(file)}: ${visible(detail)}; ${visible(recovery)}`);
  for (const { file, anomaly } of found.value.slice(0, MOST)) {
    const entry = anomaly.key === undefined ? "" : ` ${visible(anomaly.key)}${anomaly.id === undefined ? "" : ` entry ${anomaly.id}`},`;
    const place = anomaly.offset === undefined ? "" : anomaly.line === undefined ? `${entry} byte ${anomaly.offset} (${hex(anomaly.offset)}):` : ` line ${count(anomaly.line ?? 0)}, byte ${anomaly.offset} (${hex(anomaly.offset)}):`;
    const path = sources.value.length > 1 ? ` ${visible(sources.value[file]?.path ?? "")}` : "";
    lines.push(`- ${reasonTitle(anomaly.reason)} [${anomaly.type}]${path}${place} ${visible(anomaly.detail)}`);
  }
  const more = totals.anomalies - Math.min(MOST, found.value.length);
  if (more > 0) lines.push(`- and ${plural(more, "more anomaly", "more anomalies")}`);
  const paths = sources.value.map((source) => source.path);
  if (backup.value !== null) lines.push(`Backup ${visible(backup.value.name)}, made ${visible(backup.value.created)} by ${visible(backup.value.madeBy)}.`);
  else if (seen.verdict !== "clean") lines.push(...logCommands().map((text) => `To recover: ${text}`));
  if (seen.verdict !== "clean") lines.push(...redisCommands(paths, redis.value, remedies.value).map((text) => `To recover: ${text}`));
  lines.push(`Checked with ${seen.tool} in the browser.`);
  return `${lines.filter((line) => line !== "").join("\n").replaceAll("\u00a0", " ")}\n`;
}
