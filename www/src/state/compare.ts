// Two of what was opened, compared: which can be chosen, the reading of both, and what came of it. What a difference is, core says.

import { computed, signal } from "@preact/signals";
import type { Describing } from "../engine/backup";
import type { ComparedPlace, ComparedSide, Comparison, Diff } from "../engine/compare";
import type { Row } from "../engine/protocol";
import { type Source, MANIFEST, SUMS } from "../read/source";
import { visible } from "../text/escape";
import { goToLine } from "./goto";
import { chunkSize } from "./address";
import { readyEngine } from "./ready";
import * as session from "./session";
import { open } from "./table";
import { type Item, at, isBusy, items, show } from "./workspace";

/** Something that can be compared: all that lies in an item of the list, or one of the logs in it. */
export interface Choice {
  readonly item: number;
  /** One of its logs; null: all of it. */
  readonly log: number | null;
  readonly name: string;
}

/** Whether the comparison is on screen, in the place of a result. */
export const comparing = signal(false);
export const older = signal(0);
export const newer = signal(1);
export const outcome = signal<{ old: Choice; new: Choice; comparison: Comparison; diff: Diff } | null>(null);
/** How much of both was read; null while nothing is under way. */
export const share = signal<number | null>(null);
export const trouble = signal("");

let running: AbortController | null = null;

export const choices = computed<readonly Choice[]>(() => (isBusy.value ? [] : items.value.flatMap(choicesIn)));

function choicesIn({ kept, unit }: Item, item: number): Choice[] {
  if (kept === null || kept.phase !== "done") return [];
  const whole: Choice = { item, log: null, name: unit.name };
  if (kept.isBackup) return [whole];
  const path = (base: string) => (unit.name === "" ? base : `${unit.name}/${base}`);
  const logs = kept.sets.map(({ base }, log): Choice => ({ item, log, name: path(base) }));
  if (logs.length === 1 && kept.redis.length === 0 && unit.name !== "") return [whole];
  if (logs.length === 0) return kept.redis.length === 0 ? [] : [{ ...whole, name: unit.name || (kept.sources[0]?.path ?? "") }];
  return unit.name === "" ? logs : [whole, ...logs];
}

/** When its last record was written, or the backup was made, in seconds. */
function ageOf({ item, log }: Choice): number {
  const kept = items.value[item]?.kept;
  if (kept === undefined || kept === null) return 0;
  if (kept.backup !== null) return Date.parse(kept.backup.created) / 1000;
  const files = log === null ? kept.report?.files : kept.report?.files.filter((_, file) => kept.sets[log]?.files.includes(kept.reportSources[file] ?? -1));
  return Math.max(0, ...(files ?? []).map((file) => file.last_timestamp ?? 0));
}

/** Shows the comparison; at first the two that were written last stand in it. */
export function beginComparing(): void {
  const list = choices.value;
  if (outcome.value === null && trouble.value === "") {
    const byAge = list.map((choice, index) => ({ index, age: ageOf(choice) })).filter(({ index }) => list[index]?.log === null || list.every(({ log }) => log !== null));
    const [last, before] = byAge.sort((a, b) => b.age - a.age || b.index - a.index);
    older.value = before?.index ?? 0;
    newer.value = last?.index ?? 1;
  }
  comparing.value = true;
}

export function forgetComparison(): void {
  running?.abort();
  comparing.value = false;
  outcome.value = null;
  share.value = null;
  trouble.value = "";
}

/** What is chosen is another now: what was found belongs to it no more. */
export function choose(side: "older" | "newer", index: number): void {
  running?.abort();
  (side === "older" ? older : newer).value = index;
  outcome.value = null;
  trouble.value = "";
}

export function swap(): void {
  const before = older.value;
  choose("older", newer.value);
  choose("newer", before);
}

export function cancelComparing(): void {
  running?.abort();
}

/** A side as core takes it, and the files that it speaks of. */
interface Opened {
  side: ComparedSide;
  files: readonly Source[];
}

async function opened({ item, log, name }: Choice): Promise<Opened> {
  const { unit, kept } = items.value[item] as Item;
  if (kept === null) throw new Error(`${name} was not read`);
  if (kept.broken !== null) throw new Error(`cannot compare ${visible(name)}: ${visible(kept.broken.archive)} could not be read completely`);
  if (kept.isBackup) {
    const backup: Describing = { manifest: await bytesOf(unit.files, MANIFEST), sums: await bytesOf(unit.files, SUMS), paths: unit.files.map(({ path }) => path) };
    return { side: { name: visible(name), backup, logs: [], others: [] }, files: unit.files };
  }
  const sets = log === null ? kept.sets : kept.sets.slice(log, log + 1);
  const role = (file: number) => kept.report?.files[kept.reportSources.indexOf(file)]?.role;
  const logs = sets.map(({ base, files }) => {
    // What lies beside a log is no part of its history.
    const places = [...files].sort((a, b) => a - b).filter((file) => role(file) === "active" || role(file) === "rotated");
    return { base, places, names: places.map((file) => kept.sources[file]?.path ?? "") };
  });
  const path = (file: number) => kept.sources[file]?.path ?? "";
  const packed = log === null && logs.length > 1 ? logs.flatMap(({ places }) => places.filter((file) => kept.packed[file] === true).map(path)) : [];
  const streams = log === null ? kept.redis.flatMap(({ manifest, files }) => manifest ?? files.slice(0, 1).map(path)) : [];
  return { side: { name: visible(name), backup: null, logs, others: [...packed, ...streams] }, files: kept.sources };
}

async function bytesOf(files: readonly Source[], name: string): Promise<ArrayBuffer> {
  return (await files.find(({ path }) => path === name)?.file.arrayBuffer()) ?? new ArrayBuffer();
}

export async function compare(): Promise<void> {
  const [old, fresh] = [choices.value[older.value], choices.value[newer.value]];
  if (old === undefined || fresh === undefined) return;
  running?.abort();
  const own = (running = new AbortController());
  outcome.value = null;
  trouble.value = "";
  share.value = 0;
  try {
    const comparison = await read([await opened(old), await opened(fresh)], own.signal, [old.name, fresh.name]);
    if (comparison === null) return;
    outcome.value = { old, new: fresh, comparison, diff: JSON.parse(comparison.json) as Diff };
    session.announcement.value = comparison.logs.map(({ says }) => says).join("; ");
  } catch (error) {
    if (!own.signal.aborted) trouble.value = error instanceof DOMException ? "A file can no longer be read, or changed since it was opened." : error instanceof Error ? error.message : String(error);
  } finally {
    if (running === own) share.value = null;
  }
}

/** Reads of both sides what is asked for, each a portion ahead. Null: somebody has something else to do. */
async function read(sides: readonly [Opened, Opened], signal: AbortSignal, names: readonly [string, string]): Promise<Comparison | null> {
  const engine = await readyEngine();
  const total = sides.reduce((sum, { side, files }) => sum + (side.backup === null ? side.logs.flatMap(({ places }) => places) : [...files.keys()]).reduce((size, file) => size + (files[file]?.file.size ?? 0), 0), 0);
  const under = sides.map(() => ({ file: -1, offset: 0, ahead: null as Promise<ArrayBuffer> | null }));
  let done = 0;
  let wanted = await engine.compare([sides[0].side, sides[1].side]);
  while (wanted !== null && !signal.aborted) {
    const [from, blob] = [under[wanted.side], sides[wanted.side]?.files[wanted.file]?.file];
    if (from === undefined || blob === undefined) throw new Error("A file is not there any more");
    if (from.file !== wanted.file) Object.assign(from, { file: wanted.file, offset: 0, ahead: null });
    if (from.offset >= blob.size) {
      from.file = -1;
      wanted = await engine.compareBytes(wanted.side, null);
      continue;
    }
    const portion = (at: number) => blob.slice(at, at + chunkSize()).arrayBuffer();
    const buffer = await (from.ahead ?? portion(from.offset));
    if (buffer.byteLength !== Math.min(chunkSize(), blob.size - from.offset)) throw new Error("A file changed while it was read.");
    from.offset += buffer.byteLength;
    done += buffer.byteLength;
    from.ahead = from.offset < blob.size ? portion(from.offset) : null;
    from.ahead?.catch(() => undefined); // met when its turn comes
    const now = Math.floor((done / Math.max(1, total)) * 100) / 100;
    if (now !== share.value && !signal.aborted) share.value = now;
    wanted = await engine.compareBytes(wanted.side, buffer);
  }
  return signal.aborted ? null : engine.compared(...names);
}

/** Where a record of a choice stands: the file among its item's sources, and its plain bytes, if they were kept. */
function found({ item }: Choice, place: ComparedPlace): { file: number; text: Blob | null } {
  const kept = items.value[item]?.kept;
  const file = kept?.sources.findIndex(({ path }) => path === place.file) ?? -1;
  const text = kept?.plainBytes[file] ?? (kept?.packed[file] === true ? null : (kept?.sources[file]?.file ?? null));
  return { file, text };
}

/** The most of a record that is read to show what it is. */
const SHOWN = 16 << 10;

/** What a record is, in short; null when it cannot be read. */
export async function recordAt(choice: Choice, place: ComparedPlace): Promise<Row | null> {
  const { text } = found(choice, place);
  if (text === null) return null;
  const bytes = await text.slice(place.offset, place.offset + Math.min(SHOWN, place.length)).arrayBuffer();
  return (await (await readyEngine()).rows(bytes, place.offset, place.line, ""))[0] ?? null;
}

/** Leaves the comparison for the record itself. */
export async function showRecord(choice: Choice, place: ComparedPlace): Promise<void> {
  const { file } = found(choice, place);
  comparing.value = false;
  if (at.value !== choice.item) show(choice.item);
  if (await goToLine(file, place.line)) open.value = true;
}
