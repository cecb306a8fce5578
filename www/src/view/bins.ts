// The timeline made to fit: neighbouring bins merged until a bar is wide enough to see, and dates for its axis.

import type { Timeline } from "../engine/protocol";

/** Pixels a bar takes at least. */
const BAR = 9;

export function fitted(data: Timeline, width: number): Timeline {
  const most = Math.max(12, Math.floor((width - 64) / BAR));
  const every = Math.ceil(data.events.length / most);
  if (every <= 1) return data;
  const merge = (list: readonly number[]) =>
    Array.from({ length: Math.ceil(list.length / every) }, (_, bin) => list.slice(bin * every, (bin + 1) * every).reduce((sum, value) => sum + value, 0));
  return {
    ...data,
    width: data.width * every,
    events: merge(data.events),
    deadLetters: merge(data.deadLetters),
    crashes: merge(data.crashes),
    restarts: merge(data.restarts),
    anomalies: merge(data.anomalies),
  };
}

/** The history of a filter's hits, with the damage of the whole one in it, cut to the bytes (`FROM..TO`) that are asked for. */
export function within(hits: Timeline, whole: Timeline, bytes: string | null): Timeline {
  const anomalies = hits.events.map(() => 0);
  whole.anomalies.forEach((many, bin) => {
    const at = Math.floor((whole.start + whole.width * (bin + 0.5) - hits.start) / hits.width);
    if (whole.axis === hits.axis && at in anomalies) anomalies[at] = (anomalies[at] ?? 0) + many;
  });
  const all = { ...hits, anomalies };
  const [from = Number.NaN, to = Number.NaN] = bytes?.split("..").map(Number) ?? [];
  if (hits.axis === "time" || Number.isNaN(from + to)) return all;
  const [first, last] = [Math.max(0, Math.floor((from - hits.start) / hits.width)), Math.ceil((to - hits.start) / hits.width)];
  const cut = (list: readonly number[]) => list.slice(first, Math.max(first + 1, last));
  return {
    ...all,
    start: hits.start + first * hits.width,
    events: cut(all.events),
    deadLetters: cut(all.deadLetters),
    crashes: cut(all.crashes),
    restarts: cut(all.restarts),
    anomalies: cut(all.anomalies),
  };
}

/** Ticks as UTC: the date where it changes, the time where the ticks are closer than a day. */
export function dates(ticks: readonly number[]): string[] {
  const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
  let before = "";
  return ticks.map((tick) => {
    const iso = new Date(tick * 1000).toISOString();
    const day = iso.slice(0, 10);
    const time = step < 1 ? iso.slice(11, 23) : step < 60 ? iso.slice(11, 19) : iso.slice(11, 16);
    const shown = step >= 86_400 ? day : day === before ? time : `${time}\n${day}`;
    before = day;
    return shown;
  });
}
