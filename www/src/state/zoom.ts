// Zooming in the history: a range of the chart becomes a term of the filter, and so applies to all that is listed.

import type { Timeline } from "../engine/protocol";
import { isUnixTime } from "../text/numbers";
import { valueOf, withTerm } from "../text/query";
import { filter } from "./filter";
import * as session from "./session";
import { query } from "./table";

const MINUTE = 60;

type Axis = Timeline["axis"];

export function isZoomed(): boolean {
  return valueOf(query.value, "time") !== null || valueOf(query.value, "byte") !== null;
}

/** Seconds as a date where they are one. */
function written(axis: Axis, value: number): string {
  if (axis === "position") return String(Math.max(0, Math.floor(value)));
  return isUnixTime(value) ? new Date(value * 1000).toISOString() : String(Math.round(value * 1000) / 1000);
}

export function zoomTo(axis: Axis, from: number, to: number): void {
  const name = axis === "time" ? "time" : "byte";
  // A millisecond, or a byte, is the least that can be asked for.
  const end = Math.max(to, from + (axis === "time" ? 0.001 : 1));
  void filter(withTerm(query.value, name, `${written(axis, from)}..${written(axis, end)}`));
}

/** The minute before the last record, whatever clock the log has. */
export function lastMinute(): void {
  const last = session.timeline.value?.span?.[1];
  if (last === undefined) return;
  // As a date it has milliseconds: the next one is behind the record.
  void filter(withTerm(withTerm(query.value, "byte", null), "time", `${written("time", last - MINUTE)}..${written("time", last + 0.001)}`));
}

export function zoomOut(): void {
  void filter(withTerm(withTerm(query.value, "time", null), "byte", null));
}

/** The shown stretch made twice as wide or half as wide, or moved by half its width. */
export function zoomBy(shown: Timeline, whole: Timeline, by: "in" | "out" | "earlier" | "later"): void {
  const ends = (data: Timeline) => [data.start, data.start + data.width * data.events.length] as const;
  const [[from, to], [first, last]] = [ends(shown), ends(whole)];
  const half = (to - from) / 2;
  const moved = { in: [from + half / 2, to - half / 2], out: [from - half, to + half], earlier: [from - half, to - half], later: [from + half, to + half] }[by];
  const [low, high] = [Math.max(first, moved[0] ?? first), Math.min(last, moved[1] ?? last)];
  if (by === "out" && low <= first && high >= last) return zoomOut();
  if (low < high) zoomTo(shown.axis, low, high);
}
