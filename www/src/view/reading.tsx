// While a scan runs: how far, how fast, how long, and a button that stops it.

import { useEffect, useState } from "preact/hooks";
import { cancel } from "../state/actions";
import { found, pass, progress, seenRecords, sources } from "../state/session";
import { count, duration, plural, size, speed } from "../text/numbers";
import { visible } from "../text/escape";

const PASSES = { read: "Reading", search: "Looking for whole commands in", replay: "Replaying" } as const;

export function Reading() {
  const { bytes, total, file, fileBytes, rate } = progress.value;
  const share = total === 0 ? 0 : bytes / total;
  const source = sources.value[file];
  const percent = Math.floor(share * 100);
  const left = rate > 0 ? duration((total - bytes) / rate) : "";
  const records = seenRecords.value;
  return (
    <section class="card reading" aria-labelledby="reading-title">
      <div class="reading-head">
        <h1 id="reading-title">{PASSES[pass.value]} {source === undefined ? "" : <span class="mono">{visible(source.path)}</span>}</h1>
        <button type="button" class="button" onClick={cancel}>Cancel <kbd>Esc</kbd></button>
      </div>
      <div class="bar" role="progressbar" aria-label="Bytes read" aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}
        aria-valuetext={`${percent} %, ${size(bytes)} of ${size(total)}`}>
        <div class="bar-fill" style={{ width: `${share * 100}%` }} />
      </div>
      <dl class="facts row">
        <Fact name="Read" value={`${size(bytes)} of ${size(total)}`} />
        <Fact name="Speed" value={rate > 0 ? speed(rate) : "–"} />
        <Fact name="Time left" value={left === "" ? "–" : left} />
        {sources.value.length > 1 && (
          <Fact name={`File ${file + 1} of ${sources.value.length}`} value={`${size(fileBytes)} of ${size(source?.file.size ?? 0)}`} />
        )}
        {records > 0 && <Fact name="Records" value={count(records)} />}
        <Fact name="So far" value={found.value.length === 0 ? "no anomaly" : plural(found.value.length, "anomaly", "anomalies")} />
      </dl>
      <Stall bytes={bytes} />
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** A disk that has stopped answering looks like a page that hangs: tell the two apart. */
function Stall({ bytes }: { bytes: number }) {
  const [still, setStill] = useState(0);
  useEffect(() => {
    setStill(0);
    const began = Date.now();
    const timer = setInterval(() => setStill(Math.floor((Date.now() - began) / 1000)), 1000);
    return () => clearInterval(timer);
  }, [bytes]);
  if (still < 5) return null;
  return <p class="hint warn">No bytes have arrived for {still} s. The disk or the network share may be slow; Cancel keeps what was seen.</p>;
}
