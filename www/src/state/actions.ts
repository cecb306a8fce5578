// What the user can do: open, cancel, reorder, select. Each changes signals in session.ts; none touches the document.

import type { Source } from "../read/source";
import { orderOf, scan, stop } from "./scan";
import * as session from "./session";
import { sampleSource } from "../sample";

/** Opens files; asks first when there is something on screen that would go. */
export async function open(list: readonly Source[] | Promise<readonly Source[]>, folder = false): Promise<void> {
  let files: readonly Source[];
  try {
    files = await list;
  } catch (error) {
    session.trouble.value = { title: "That could not be opened.", text: String(error) };
    return;
  }
  if (files.length === 0) {
    session.toast.value = "";
    session.announcement.value = "Nothing to open";
    if (session.phase.value === "empty") {
      session.trouble.value = {
        title: folder ? "No logs in that folder." : "Nothing to open.",
        text: "The page looks at the files directly inside a folder, as the scan on the command line does.",
      };
    }
    return;
  }
  if (session.phase.value === "empty" || session.dialog.value === "replace") return begin(files);
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

async function begin(files: readonly Source[]): Promise<void> {
  stop();
  session.trouble.value = null;
  const { order, rotation } = await orderOf(files);
  session.rotation.value = rotation;
  await scan(order.map((index) => files[index]).filter((source) => source !== undefined));
}

export async function openAgain(): Promise<void> {
  await begin(session.sources.value);
}

/** The order matters to the report (oldest first), so a correction scans again. */
export async function moveSource(index: number, step: -1 | 1): Promise<void> {
  const list = [...session.sources.value];
  const [moved] = list.splice(index, 1);
  if (moved === undefined) return;
  list.splice(index + step, 0, moved);
  await scan(list);
}

export function cancel(): void {
  if (session.phase.value === "reading") stop();
}

export function select(index: number): void {
  if (index < 0 || index >= session.shown.value.length) return;
  session.selected.value = index;
}

/** The next or previous anomaly, round the end. */
export function step(by: 1 | -1): void {
  const total = session.shown.value.length;
  if (total === 0) return;
  select((session.selected.value + by + total) % total);
  document.getElementById("anomalies-title")?.scrollIntoView({ block: "nearest" });
}
