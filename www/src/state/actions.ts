// What the user can do: open, cancel, reorder, select. Each changes signals in session.ts; none touches the document.

import type { Source } from "../read/source";
import { letGo } from "../read/held";
import { type Unit, unitsOf } from "../read/units";
import { unpacked } from "./archives";
import { openBackup } from "./backup";
import type { SortColumn } from "./columns";
import { landOn } from "./link";
import { failed, orderOf, reset, scan, stop } from "./scan";
import { forgetComparison } from "./compare";
import * as session from "./session";
import * as workspace from "./workspace";
import { sampleSource } from "../sample";
import { visible } from "../text/escape";

/** Opens files; asks first when there is something on screen that would be lost: one can open a finished result again. */
export async function open(list: readonly Source[] | Promise<readonly Source[]>): Promise<void> {
  let files: readonly Source[];
  try {
    files = await list;
  } catch (error) {
    session.trouble.value = { title: "That could not be opened.", text: String(error) };
    return;
  }
  if (files.length === 0) {
    session.announcement.value = "Nothing to open";
    if (session.phase.value === "empty") session.trouble.value = { title: "Nothing to open.", text: "There are no files in it." };
    return;
  }
  if (session.phase.value !== "reading" || session.dialog.value === "replace") return begin(files);
  session.waiting.value = files;
  session.dialog.value = "replace";
}

export async function replaceWithWaiting(): Promise<void> {
  const files = session.waiting.value;
  session.waiting.value = [];
  session.dialog.value = "none";
  await begin(files);
}

export function keepResult(): void {
  session.waiting.value = [];
  session.dialog.value = "none";
}

export async function openSample(): Promise<void> {
  await open([sampleSource()]);
}

let turns = 0;

/** Archives are unpacked first: what is in them is looked at as what lies in folders. Then one after the other is read. */
async function begin(files: readonly Source[]): Promise<void> {
  stop();
  turns += 1;
  const own = turns;
  letGo();
  session.trouble.value = null;
  session.opened.value = files;
  reset(files, false);
  session.unitName.value = "";
  forgetComparison();
  try {
    const units = await unpacked(unitsOf(files), () => own !== turns);
    if (own !== turns || units === null) return;
    workspace.start(units);
  } catch (error) {
    return own === turns ? failed(error) : undefined;
  }
  for (let index = 0; index < workspace.items.value.length; ) {
    const unit = workspace.items.value[index]?.unit;
    if (unit === undefined) break;
    workspace.turn(index);
    const held = await look(unit, workspace.items.value.length > 1);
    if (own !== turns) return;
    if (!held) {
      workspace.leaveOut(index);
      continue;
    }
    workspace.settle(index);
    if (session.phase.value === "cancelled") break;
    index += 1;
  }
  workspace.over();
  if (workspace.items.value.length === 0) return nothing();
  workspace.showWorst();
  landOn();
}

function nothing(): void {
  session.phase.value = "empty";
  const broken = session.opened.value.length === 1 ? workspace.leftOut.value[0] : undefined;
  session.trouble.value = broken === undefined
    ? { title: "No logs in that folder.", text: "None of its files is a log, a Redis backup or an archive of these. To see what a file is, open it by itself." }
    : { title: `Nothing came out of ${visible(broken.path)}:`, text: `${visible(broken.reason)}.` };
  session.announcement.value = session.trouble.value.title;
}

/** Looks at one unit. False: there is nothing in it that could be checked, and there are others. */
async function look(unit: Unit, among: boolean): Promise<boolean> {
  session.unitName.value = unit.name;
  session.redis.value = [];
  session.sets.value = [];
  session.aside.value = [];
  session.loaded.value = null;
  session.archive.value = unit.archive ?? null;
  session.broken.value = unit.broken ?? null;
  if (unit.kind === "backup") {
    await beginBackup(unit.files);
    return true;
  }
  return beginLogs(unit, among);
}

async function beginBackup(files: readonly Source[]): Promise<void> {
  const backup = await openBackup(files);
  if (typeof backup !== "string") {
    session.rotation.value = false;
    return scan(backup.files, backup.describing);
  }
  reset(files, true);
  session.trouble.value = {
    title: "Not verified: this backup cannot be trusted",
    text: `${backup} If there is no other backup, the files in it are plain: their records can still be scanned.`,
  };
  session.phase.value = "refused";
  session.announcement.value = `${session.trouble.value.title}. ${session.trouble.value.text}`;
}

/** Looks at the logs of a backup as they are, whatever its manifest says of them. */
export async function scanLogsAlone(): Promise<void> {
  const unit = workspace.items.value[workspace.at.value]?.unit;
  if (unit === undefined) return;
  session.trouble.value = null;
  const files = unit.files.filter(({ path }) => !path.includes("/"));
  await beginLogs({ ...unit, kind: "folder", files }, false);
  workspace.settle(workspace.at.value);
}

async function beginLogs(unit: Unit, among: boolean): Promise<boolean> {
  const { kind, folders } = unit;
  const isFolder = kind === "folder" || unit.files.length > 1;
  let arranged = await orderOf(unit.files, folders, isFolder);
  // A server's folder of append-only files belongs to what it lies in: the files of both make one report.
  const inside = workspace.take(unit, arranged.appendOnly);
  const files = [...unit.files, ...inside];
  if (inside.length > 0) arranged = await orderOf(files, folders, isFolder);
  const { order, rotation, backups, sets, aside, loaded } = arranged;
  if (order.length === 0 && (among || isFolder)) return false;
  session.rotation.value = rotation;
  session.redis.value = backups;
  session.sets.value = sets;
  session.aside.value = aside;
  session.loaded.value = loaded;
  const list = order.flatMap((at) => {
    const source = files[at];
    return source === undefined ? [] : [{ ...source, at }];
  });
  await scan(list);
  return true;
}

export async function openAgain(): Promise<void> {
  await begin(session.opened.value);
}

/** The order matters to the report (oldest first), so a correction scans again. */
export async function moveSource(index: number, step: -1 | 1): Promise<void> {
  const list = [...session.sources.value];
  const [moved] = list.splice(index, 1);
  if (moved === undefined) return;
  list.splice(index + step, 0, moved);
  const unit = workspace.items.value[workspace.at.value]?.unit;
  if (unit === undefined) return;
  // The engine knows what it has looked at last.
  await orderOf(unit.files, unit.folders, unit.kind === "folder" || unit.files.length > 1);
  await scan(list);
  workspace.settle(workspace.at.value);
}

export function cancel(): void {
  if (session.phase.value === "reading") stop();
}

export function select(index: number): void {
  if (index < 0 || index >= session.shown.value.length) return;
  session.selected.value = index;
}

/** Another order of the anomalies; the one that is selected stays so. */
export function sortAnomalies(column: SortColumn): void {
  const held = session.current.peek();
  column.toggleSorting();
  session.selected.value = Math.max(0, session.shown.value.findIndex((entry) => entry === held));
}

/** The next or previous anomaly, round the end. */
export function step(by: 1 | -1): void {
  const total = session.shown.value.length;
  if (total === 0) return;
  select((session.selected.value + by + total) % total);
  // The bytes are what one looks at; a frame later they have their place.
  requestAnimationFrame(() => document.querySelector(".anomaly .evidence, .anomaly")?.scrollIntoView({ block: "nearest" }));
}
