// The logs that the page tests open: written to a temporary folder, named by what is wrong with them.

import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, writeFileSync, openSync, writeSync, ftruncateSync, closeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export const folder = mkdtempSync(join(tmpdir(), "papyra-inspector-"));

export const event = (n) => `{"kind": "event", "system_id": "s", "actor_address": "s:${n % 7}", "event_type": "${n % 5 === 4 ? "ActorCrashed" : "ActorStarted"}", "payload": {"n": ${n}}, "timestamp": ${1767225600 + n}.5}`;
const letter = (n) => `{"kind": "dead_letter", "system_id": "s", "target": "s:${n}", "message_type": "Pay", "payload": {"note": "zoë <img src=x onerror=alert(1)>"}, "timestamp": ${1767225600 + n}.75}`;

export function lines(from, to) {
  let text = "";
  for (let n = from; n < to; n += 1) text += `${n % 3 === 2 ? letter(n) : event(n)}\n`;
  return text;
}

export function write(name, content) {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

export const clean = () => write("clean/events.ndjson", lines(0, 100));
export const torn = () => write("torn/events.ndjson", lines(0, 50).slice(0, -40));
export const glued = () => write("glued/events.ndjson", `${lines(0, 10)}${event(1).slice(0, 61)}${event(11)}\n${event(12)}${event(13)}\n${lines(14, 20)}`);
export const picture = () => write("picture.png", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 1, 2, 3, 250, 251]));
export const empty = () => write("empty/events.ndjson", "");
export const gzip = () => write("gzip/events.ndjson.gz", Buffer.concat([gzipSync(lines(0, 60)), gzipSync(lines(60, 90))]));
export const gzipCut = () => write("gzipcut/events.ndjson.gz", gzipSync(lines(0, 5000)).subarray(0, 9000));
export function zstdCut() {
  const whole = execFileSync("zstd", ["-q", "-c"], { input: lines(0, 5000) });
  return write("zstdcut/events.ndjson.zst", whole.subarray(0, whole.length - 7));
}
export const nasty = () => write("nasty/<script>alert(1)<\u202Eevil>.ndjson",
  `{"kind": "event", "system_id": "<script>alert(1)</script>", "actor_address": "\u202e<b>x</b>", "event_type": "<img src=x onerror=alert(2)>", "payload": {"a": "\u001b[2J\u0000<svg onload=alert(3)>"}, "timestamp": 1.0}\n${lines(0, 3)}<script>alert(4)</script>\n\u202e\u0007\n`);

export function rotation() {
  const whole = [["rot.log.3", lines(0, 20)], ["rot.log.2", `${lines(20, 30)}}\n${lines(30, 40)}`], ["rot.log.1", lines(40, 60)], ["rot.log", lines(60, 70)]];
  return whole.map(([name, text]) => write(`rotation/${name}`, text));
}

/** A hundred thousand damaged lines between good ones. */
export function manyAnomalies() {
  let text = "";
  for (let n = 0; n < 100_000; n += 1) text += `${event(n)}\n{"kind": "ev\n`;
  return write("many/events.ndjson", text);
}

/** A hole of over four gigabytes, a single damaged line of NUL bytes, with records before it and behind it. */
export function pastFourGigabytes() {
  const path = write("sparse/events.ndjson", lines(0, 10));
  const at = 4_400_000_000;
  const file = openSync(path, "r+");
  ftruncateSync(file, at);
  const tail = Buffer.from(`\n${lines(10, 12)}{"kind": "broken\n${lines(12, 14)}`);
  writeSync(file, tail, 0, tail.length, at);
  closeSync(file);
  return { path, brokenAt: at + 1 + Buffer.byteLength(lines(10, 12)) };
}
