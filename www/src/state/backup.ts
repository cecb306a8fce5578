// A backup folder: from the files that were opened to those that its manifest lists, in reading order.
//
// What a manifest may say, and what follows from a file that is not as written, is for core.

import type { Describing } from "../engine/backup";
import { type Source, MANIFEST, SUMS } from "../read/source";
import { size } from "../text/numbers";
import { readyEngine } from "./ready";

/** A larger one is for the command line: it describes some fifty terabytes. */
const LARGEST = 64 << 20;

export interface OpenedBackup {
  files: readonly Source[];
  describing: Describing;
}

/** The backup in these files, or why it is refused. */
export async function openBackup(opened: readonly Source[]): Promise<OpenedBackup | string> {
  const describing: ArrayBuffer[] = [];
  for (const name of [MANIFEST, SUMS]) {
    const source = opened.find(({ path }) => path === name);
    if (source === undefined) return `It has no ${name}, which every backup has.`;
    if (source.file.size > LARGEST) return `Its ${name} has ${size(source.file.size)}, more than this page reads: papyra backup verify does.`;
    describing.push(await source.file.arrayBuffer());
  }
  const [manifest, sums] = describing as [ArrayBuffer, ArrayBuffer];
  const whole = { manifest, sums, paths: opened.map(({ path }) => path) };
  const told = await (await readyEngine()).backup(whole);
  if (told.files === undefined) return `${told.refused ?? "It cannot be read"}.`;
  const files = told.files.flatMap(({ at, path }) => {
    const source = opened[at];
    return source === undefined ? [] : [{ file: source.file, path, stored: source.path }];
  });
  return { files, describing: whole };
}
