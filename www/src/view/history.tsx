// The history: events, dead letters and crashes over time (or over the file), and where the damage lies in it.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Timeline } from "../engine/protocol";
import { found } from "../state/filter";
import { timeline } from "../state/session";
import { filtering, query } from "../state/table";
import { isZoomed, lastMinute, zoomBy, zoomOut, zoomTo } from "../state/zoom";
import { count, duration, moment, plural, size } from "../text/numbers";
import { valueOf } from "../text/query";
import { dates, fitted, within } from "./bins";

const HEIGHT = 214;
/** Above the bars: where damage lies, then crashes and restarts. */
const LANES = 34;

export function History() {
  const whole = timeline.value;
  const isFiltered = filtering.value !== null;
  const own = found.value?.timeline;
  // While a filter has told nothing yet, what was drawn before stays.
  const last = useRef<Timeline | null>(null);
  const data = whole === null ? null : !isFiltered ? whole : own === undefined ? (last.current ?? whole) : within(own, whole, valueOf(query.value, "byte"));
  last.current = data;
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
  if (whole === null || data === null || sum(whole.events) + sum(whole.deadLetters) === 0) return null;
  return (
    <section class="card history" aria-labelledby="history-title">
      <div class="card-head">
        <h2 id="history-title">History <span class="faint">{isFiltered ? "of what matches, " : ""}{data.axis === "time" ? "by time (UTC)" : "by position in the file"}</span></h2>
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
      <div class="chart-foot">
        <p class="chart-told faint small-print" aria-hidden="true">{under === "" ? "Point at the chart to read a bar, drag over it to zoom in." : under}</p>
        <div class="zoom" role="group" aria-label="Zoom">
          <button type="button" class="button small" onClick={() => zoomBy(data, whole, "in")}>Zoom in</button>
          {isZoomed() && (
            <>
              <button type="button" class="button small" onClick={() => zoomBy(data, whole, "out")}>Zoom out</button>
              <button type="button" class="button small" onClick={() => zoomBy(data, whole, "earlier")}>Earlier</button>
              <button type="button" class="button small" onClick={() => zoomBy(data, whole, "later")}>Later</button>
            </>
          )}
          {data.span !== null && <button type="button" class="button small" onClick={lastMinute}>Last minute</button>}
          {isZoomed() && <button type="button" class="button small" onClick={zoomOut}>Whole history</button>}
        </div>
      </div>
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
      padding: [LANES, 26, 0, 0],
      legend: { show: false },
      cursor: { x: true, y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 6 } },
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
      hooks: {
        draw: [(chart) => marks(chart, data, { anomaly: color("--bad"), crash: color("--crash"), restart: color("--audit") })],
        setCursor: [(chart) => tell(chart.cursor.idx ?? null)],
        setSelect: [(chart) => brushed(chart, data)],
      },
    },
    [x, calm, letters, crashes],
    host,
  );
}

function brushed(chart: uPlot, data: Timeline): void {
  const { left, width } = chart.select;
  if (width < 2) return;
  zoomTo(data.axis, chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/**
 * Above the bars, visible whatever their height: a triangle where damage lies, with a faint line through its bin; below them crashes
 * and restarts, each in its half of the bin.
 */
function marks(chart: uPlot, data: Timeline, colors: { anomaly: string; crash: string; restart: string }): void {
  const { ctx, bbox } = chart;
  const half = 5 * devicePixelRatio;
  const bar = (bbox.width / Math.max(1, data.events.length)) * 0.84;
  const side = Math.max(devicePixelRatio * 2, Math.min(bar, 24 * devicePixelRatio));
  const lane = bbox.top - half * 2.4;
  const centre = (index: number) => chart.valToPos(data.start + data.width * (index + 0.5), "x", true);
  const block = (index: number, from: number, width: number, color: string) => {
    ctx.fillStyle = color;
    ctx.fillRect(centre(index) - side / 2 + from * side, lane, width * side, half * 1.4);
  };
  ctx.save();
  data.crashes.forEach((many, index) => many > 0 && block(index, 0, (data.restarts[index] ?? 0) > 0 ? 0.5 : 1, colors.crash));
  data.restarts.forEach((many, index) => many > 0 && block(index, (data.crashes[index] ?? 0) > 0 ? 0.5 : 0, (data.crashes[index] ?? 0) > 0 ? 0.5 : 1, colors.restart));
  ctx.fillStyle = colors.anomaly;
  data.anomalies.forEach((value, index) => {
    if (value === 0) return;
    const [x, top] = [centre(index), lane - half * 1.4];
    ctx.globalAlpha = 0.22;
    ctx.fillRect(x - half / 5, bbox.top, half / 2.5, bbox.height);
    ctx.globalAlpha = 1;
    ctx.beginPath();
    ctx.moveTo(x - half, top - half * 1.5);
    ctx.lineTo(x + half, top - half * 1.5);
    ctx.lineTo(x, top);
    ctx.fill();
  });
  ctx.restore();
}
