// What the user can do: open, cancel, reorder, select. Each changes signals in session.ts; none touches the document.

import { isBackup, logsOf, type Source } from "../read/source";
import { openBackup } from "./backup";
import { orderOf, reset, scan, stop } from "./scan";
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
  session.opened.value = files;
  session.redis.value = [];
  if (isBackup(files)) return beginBackup(files);
  await beginLogs(files);
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
  session.trouble.value = null;
  await beginLogs(logsOf(session.opened.value));
}

async function beginLogs(files: readonly Source[]): Promise<void> {
  const { order, rotation, backups } = await orderOf(files);
  session.rotation.value = rotation;
  session.redis.value = backups;
  await scan(order.map((index) => files[index]).filter((source) => source !== undefined));
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
