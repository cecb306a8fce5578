// The history: events, dead letters and crashes over time (or over the file), and where the damage lies in it.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Timeline } from "../engine/protocol";
import { timeline } from "../state/session";
import { count, duration, moment, plural, size } from "../text/numbers";
import { dates, fitted } from "./bins";

const HEIGHT = 190;

export function History() {
  const data = timeline.value;
  const box = useRef<HTMLDivElement>(null);
  const [under, setUnder] = useState("");
  useEffect(() => {
    const host = box.current;
    if (host === null || data === null) return; // nothing to draw
    const draw = (host: HTMLElement, shown: Timeline) => drawn(host, shown, (bin) => setUnder(bin === null ? "" : binInWords(shown, bin)));
    let chart = draw(host, fitted(data, host.clientWidth));
    let width = host.clientWidth;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const again = () => {
      chart.destroy();
      chart = draw(host, fitted(data, host.clientWidth));
    };
    const watch = new ResizeObserver(() => {
      if (host.clientWidth === width) return;
      width = host.clientWidth;
      again();
    });
    watch.observe(host);
    dark.addEventListener("change", again);
    return () => {
      watch.disconnect();
      dark.removeEventListener("change", again);
      chart.destroy();
    };
  }, [data]);
  const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);
  if (data === null || sum(data.events) + sum(data.deadLetters) === 0) return null;
  return (
    <section class="card history" aria-labelledby="history-title">
      <div class="card-head">
        <h2 id="history-title">History <span class="faint">{data.axis === "time" ? "by time (UTC)" : "by position in the file"}</span></h2>
        <ul class="legend-list">
          <li><span class="swatch event" aria-hidden="true" />events</li>
          <li><span class="swatch dead_letter" aria-hidden="true" />dead letters</li>
          <li><span class="swatch crash" aria-hidden="true" />crashes</li>
          {sum(data.restarts) > 0 && <li><span class="swatch restart" aria-hidden="true" />restarts</li>}
          {sum(data.anomalies) > 0 && <li><span class="swatch anomaly-mark" aria-hidden="true" />damage</li>}
        </ul>
      </div>
      <div class="chart" ref={box} role="img" aria-label={`${plural(sum(data.events), "event")}, ${plural(sum(data.deadLetters), "dead letter")}, ` +
        `${plural(sum(data.crashes), "crash", "crashes")}, ${plural(sum(data.anomalies), "anomaly", "anomalies")}, ${extent(data)}`} />
      <p class="chart-told faint small-print" aria-hidden="true">{under === "" ? "Point at the chart to read a bar." : under}</p>
      <Outliers data={data} />
      {data.axis === "position" && <p class="faint small-print">The log's clock is no calendar (seconds since boot, most often), so the history runs along the file.</p>}
    </section>
  );
}

/** Times that are far from all others: a wrong clock, or a stamp of another unit. */
function Outliers({ data: { axis, outliers } }: { data: Timeline }) {
  const { count: many, span } = outliers;
  if (many === 0 || span === null) return null;
  const [first, last] = span;
  const when = first === last ? moment(first) : `${moment(first)} to ${moment(last)}`;
  return (
    <p class="faint small-print">
      {plural(many, "record")} with a time far from all others ({when}) {many === 1 ? "is" : "are"} left out {axis === "time" ? "of this chart" : "of the time span"}.
    </p>
  );
}

function extent(data: Timeline): string {
  const end = data.start + data.width * data.events.length;
  return data.axis === "time" ? `from ${moment(data.start)} to ${moment(end)}` : `over ${size(end - data.start)}`;
}

/** "2026-01-01 00:00:10.000 UTC, 1 s: 2 events, 1 crash" */
function binInWords(data: Timeline, bin: number): string {
  const start = data.start + data.width * bin;
  const place = data.axis === "time" ? `${moment(start, data.width < 1)} UTC and ${duration(data.width)} on`.replace("UTC UTC", "UTC") : `${size(start)} to ${size(start + data.width)}`;
  const counts: [number, string, string][] = [
    [data.events[bin] ?? 0, "event", "events"],
    [data.deadLetters[bin] ?? 0, "dead letter", "dead letters"],
    [data.crashes[bin] ?? 0, "crash", "crashes"],
    [data.restarts[bin] ?? 0, "restart", "restarts"],
    [data.anomalies[bin] ?? 0, "anomaly", "anomalies"],
  ];
  const told = counts.filter(([many]) => many > 0).map(([many, one, more]) => plural(many, one, more));
  return `${place}: ${told.length === 0 ? "nothing" : told.join(", ")}`;
}

function drawn(host: HTMLElement, data: Timeline, tell: (bin: number | null) => void): uPlot {
  const style = getComputedStyle(host);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const x = data.events.map((_, index) => data.start + data.width * (index + 0.5));
  // Stacked: each series is drawn over the one that includes it.
  const crashes = data.crashes.map(Number);
  const letters = data.deadLetters.map((value, index) => value + (crashes[index] ?? 0));
  const calm = data.events.map((value, index) => Math.max(0, value - (crashes[index] ?? 0)) + (letters[index] ?? 0));
  const bars = uPlot.paths.bars?.({ size: [0.84, 48], align: 0 });
  const series = (label: string, name: string): uPlot.Series => ({
    label,
    fill: color(name),
    width: 0,
    points: { show: false },
    ...(bars === undefined ? {} : { paths: bars }),
  });
  const axis = { stroke: color("--ink-2"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  return new uPlot(
    {
      width: host.clientWidth,
      height: HEIGHT,
      padding: [14, 26, 0, 0],
      legend: { show: false },
      cursor: { x: true, y: false, points: { show: false }, drag: { x: false, y: false } },
      tzDate: (stamp) => uPlot.tzDate(new Date(stamp * 1000), "Etc/UTC"),
      scales: {
        x: { time: data.axis === "time", range: [data.start, data.start + data.width * data.events.length] },
        y: { range: (_, __, top) => [0, Math.max(1, top * 1.08)] },
      },
      series: [{}, series("events", "--event"), series("dead letters", "--dead-letter"), series("crashes", "--crash")],
      axes: [
        { ...axis, values: (_: uPlot, ticks: number[]) => (data.axis === "time" ? dates(ticks) : ticks.map(size)), space: 76 },
        { ...axis, size: 56, values: (_: uPlot, ticks: number[]) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : "")) },
      ],
      hooks: { draw: [(chart) => marks(chart, data, color("--bad"))], setCursor: [(chart) => tell(chart.cursor.idx ?? null)] },
    },
    [x, calm, letters, crashes],
    host,
  );
}

/** Damage: a small triangle above its bin and a faint line through it, visible whatever the bars' height. */
function marks(chart: uPlot, data: Timeline, color: string): void {
  const { ctx, bbox } = chart;
  const half = 5 * devicePixelRatio;
  ctx.save();
  ctx.fillStyle = color;
  data.anomalies.forEach((value, index) => {
    if (value === 0) return;
    const x = chart.valToPos(data.start + data.width * (index + 0.5), "x", true);
    ctx.globalAlpha = 0.22;
    ctx.fillRect(x - half / 5, bbox.top, half / 2.5, bbox.height);
    ctx.globalAlpha = 1;
    ctx.beginPath();
    ctx.moveTo(x - half, bbox.top - half * 1.5);
    ctx.lineTo(x + half, bbox.top - half * 1.5);
    ctx.lineTo(x, bbox.top);
    ctx.fill();
  });
  ctx.restore();
}
