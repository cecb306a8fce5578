// A damaged log to try the page on: a day of an order system, and what a power cut, a full disk and an editor did to it.

import type { Source } from "./read/source";

const START = 1_767_225_600; // 2026-01-01 00:00 UTC
const RECORDS = 480;

export function sampleSource(): Source {
  const path = "sample-events.ndjson";
  return { file: new File(parts(), path, { type: "application/x-ndjson" }), path };
}

function parts(): BlobPart[] {
  const result: BlobPart[] = [];
  for (let n = 0; n < RECORDS; n += 1) {
    const text = record(n);
    if (n === 97) result.push(text.slice(0, 58)); // torn, then the next record right behind it
    else if (n === 210) result.push(text); // newline never written
    else if (n === 305) result.push(new Uint8Array(64), `${text}\n`); // a power cut
    else if (n === 306) result.push("\n");
    else if (n === 350) result.push(text.slice(0, 90), new Uint8Array([0xff, 0xc3, 0x28]), `${text.slice(93)}\n`);
    else if (n === 402) result.push("[1, 2, 3]\n");
    else if (n === RECORDS - 1) result.push(text.slice(0, 71)); // the copy ended here
    else result.push(`${text}\n`);
  }
  return result;
}

function record(n: number): string {
  // Busy by day, quiet by night, and a bad quarter of an hour after lunch.
  const time = START + (n * 86_400) / RECORDS + 1200 * Math.sin(n / 40) + 0.25 * (n % 4);
  const trouble = n > 255 && n < 290;
  const actor = `orders:${1 + ((n * 7) % 23)}`;
  if (n % 24 === 23) {
    return line({ kind: "audit", system_id: "orders", timestamp: time, total_actors: 23, alive_actors: trouble ? 17 : 23, stopping_actors: 0,
      restarting_actors: trouble ? 6 : 0, registry_size: 11, registry_orphans: [], registry_dead: [], dead_letters_count: Math.floor(n / 9) });
  }
  if (n % 9 === 4 || (trouble && n % 2 === 0)) {
    return line({ kind: "dead_letter", system_id: "orders", target: actor, message_type: "PaymentRequest",
      payload: { order: 41_000 + n, amount: ((n * 379) % 9000) / 100, customer: n % 3 === 0 ? "Zoë <b>Łukasz</b>" : "東京商店" }, timestamp: time });
  }
  const type = trouble ? (n % 3 === 0 ? "ActorRestarted" : "ActorCrashed") : n % 5 === 0 ? "ActorStopped" : "ActorStarted";
  const payload = type === "ActorCrashed" ? { error: "TimeoutError: payment gateway", reason: null } : {};
  return line({ kind: "event", system_id: "orders", actor_address: actor, event_type: type, payload, timestamp: time });
}

/** As Python's json.dumps writes it: a space behind each colon and comma. No text above holds one of the two marks. */
function line(value: unknown): string {
  return JSON.stringify(value).replace(/("(?:[^"\\]|\\.)*")|([:,])/g, (_, text: string | undefined, mark: string) => text ?? `${mark} `);
}
