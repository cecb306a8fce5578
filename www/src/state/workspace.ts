// What was opened, as a list: each folder, backup and archive is looked at by itself, one after the other, and its result kept.

import { computed, signal } from "@preact/signals";
import { recordTotal } from "../../../web/package/src/report";
import type { Source } from "../read/source";
import type { Unit } from "../read/units";
import * as session from "./session";
import type { Tone } from "./tone";
import { verdict } from "./verdict";
import { forgetFilter, rank } from "./filter";

export interface Item {
  readonly unit: Unit;
  /** How it stands: waiting for its turn, under way, over. */
  readonly state: "waiting" | "reading" | "over";
  readonly kept: session.Kept | null;
  readonly tone: Tone;
  /** The verdict in a few words. */
  readonly says: string;
  readonly records: number;
}

export const items = signal<readonly Item[]>([]);
export const at = signal(0);
/** Folders and files that are no unit of their own, with the reason. */
export const leftOut = signal<readonly { path: string; reason: string }[]>([]);
export const isBusy = computed(() => items.value.some(({ state }) => state !== "over"));

export function start(units: readonly Unit[]): void {
  items.value = units.map((unit) => ({ unit, state: "waiting" as const, kept: null, tone: "calm" as const, says: "", records: 0 }));
  at.value = 0;
  leftOut.value = [];
}

/** The item under way is this one. */
export function turn(index: number): void {
  at.value = index;
  change(index, { state: "reading" });
}

/** What is on screen is the result of this item. */
export function settle(index: number): void {
  const { tone, title } = verdict();
  const totals = session.report.peek()?.totals;
  change(index, { state: "over", kept: session.keep(), tone, says: title, records: totals === undefined ? 0 : recordTotal(totals.records) });
}

/** Nothing more is read: what was not come to goes. */
export function over(): void {
  items.value = items.value.filter(({ state }) => state === "over");
}

/** The files of these folders in a unit, which are looked at with it: its own from now on. */
export function take(unit: Unit, folders: readonly string[]): Source[] {
  const name = (folder: string) => (unit.name === "" ? folder : `${unit.name}/${folder}`);
  const taken: Source[] = [];
  for (const folder of folders) {
    const inner = items.value.find((item) => item.unit.name === name(folder) && item.unit.kind !== "backup" && item.state === "waiting");
    if (inner === undefined) continue;
    taken.push(...inner.unit.files.map((source) => ({ ...source, path: `${folder}/${source.path}` })));
    items.value = items.value.filter((item) => item !== inner);
  }
  if (taken.length > 0) items.value = items.value.map((item) => (item.unit === unit ? { ...item, unit: { ...unit, files: [...unit.files, ...taken] } } : item));
  return taken;
}

/** Nothing in the item is a log: it is named, and leaves the list. */
export function leaveOut(index: number): void {
  const gone = items.value[index];
  if (gone === undefined) return;
  const { name, archive, broken } = gone.unit;
  const reason = broken === undefined ? "it holds no logs" : `it could not be read completely: ${broken.why}`;
  leftOut.value = [...leftOut.value, { path: archive === undefined ? `${name}/` : name, reason }];
  items.value = items.value.filter((_, other) => other !== index);
}

export function show(index: number): void {
  const item = items.value[index];
  if (item === undefined || item.kept === null || isBusy.value) return;
  at.value = index;
  session.bring(item.kept);
  forgetFilter();
  void rank();
}

/** The first of those that need a look most. */
export function showWorst(): void {
  const order: Record<Tone, number> = { bad: 0, mend: 1, calm: 2, good: 3 };
  let worst = 0;
  items.value.forEach((item, index) => {
    const before = items.value[worst];
    if (before !== undefined && order[item.tone] < order[before.tone]) worst = index;
  });
  show(worst);
}

function change(index: number, to: Partial<Item>): void {
  items.value = items.value.map((item, other) => (other === index ? { ...item, ...to } : item));
}
