// Archives among what was opened: each becomes the folders that it holds.
//
// A file that lies in the archive as it is stays a slice of it; what is packed is unpacked into the browser's keeping, up to
// a limit, never into this page's memory.

import type { Unpacked } from "../engine/protocol";
import { pump } from "../../../web/package/src/pump";
import { partOf } from "../read/held";
import type { Source } from "../read/source";
import { type Unit, unitsOf } from "../read/units";
import { size } from "../text/numbers";
import { chunkSize } from "./address";
import { readyEngine } from "./ready";
import * as session from "./session";

/** A zstd block has up to 128 KiB, and a tar in it shows after the first. */
const HEAD = 192 << 10;
/** Enough to tell plain and packed archives from logs. */
const MAGIC = 512;

/** The same units, archives taken apart; null when somebody has something else to do. */
export async function unpacked(units: readonly Unit[], isOver: () => boolean): Promise<Unit[] | null> {
  const result: Unit[] = [];
  for (const unit of units) {
    if (unit.kind === "backup") {
      result.push(unit);
      continue;
    }
    const heads = await Promise.all(unit.files.map(headOf));
    const kinds = await (await readyEngine()).archives(heads);
    const plain = unit.files.filter((_, at) => kinds[at] === null);
    // A folder keeps its archives: core says what they are, as it says of all that lies beside logs.
    const files = unit.kind === "folder" ? unit.files : plain;
    if (plain.length > 0 || plain.length === unit.files.length) result.push({ ...unit, files });
    for (const [at, source] of unit.files.entries()) {
      const head = heads[at];
      if (kinds[at] === null || head === undefined) continue;
      const inside = await open(source, head);
      if (isOver()) return null;
      const name = unit.name === "" ? source.path : `${unit.name}/${source.path}`;
      result.push(...unitsIn(name, source, inside));
    }
  }
  return result;
}

async function headOf({ file }: Source): Promise<Uint8Array> {
  const part = (to: number) => partOf(file, 0, to);
  try {
    const start = await part(MAGIC);
    const isPacked = (start[0] === 0x1f && start[1] === 0x8b) || (start[1] === 0xb5 && start[2] === 0x2f) || (start[1] === 0x2a && start[2] === 0x4d);
    return isPacked ? await part(HEAD) : start;
  } catch {
    return new Uint8Array(); // reading it says why
  }
}

async function open(source: Source, head: Uint8Array): Promise<Unpacked> {
  const engine = await readyEngine();
  await engine.explore();
  const job = engine.job();
  engine.unpack(job, head);
  const enough = new AbortController();
  engine.onEnough = (from) => from === job && enough.abort();
  session.progress.value = { bytes: 0, total: source.file.size, file: 0, fileBytes: 0, rate: 0 };
  const handoff = {
    give: (buffer: ArrayBuffer, length: number) => engine.give(job, buffer, length),
    advance: (bytes: number) => {
      session.progress.value = { bytes, total: source.file.size, file: 0, fileBytes: bytes, rate: 0 };
    },
  };
  const bytes = await pump(source.file, handoff, { chunk: chunkSize(), signal: enough.signal, patience: 20_000 });
  const inside = await engine.endUnpack(job);
  if (inside.tooLarge) {
    throw new Error(`${source.path} holds more than this page unpacks (${size(2 ** 30)}). On the server: papyra persistence scan --path ${source.path}`);
  }
  if (bytes !== source.file.size && !enough.signal.aborted) throw new Error(`${source.path} changed while it was read`);
  return inside;
}

function unitsIn(name: string, source: Source, inside: Unpacked): Unit[] {
  const files = inside.members.flatMap(({ path, bytes, place }): Source[] => {
    const blob = bytes ?? (place === null ? null : source.file.slice(place[0], place[1]));
    if (blob === null || path === "") return [];
    const base = path.slice(path.lastIndexOf("/") + 1);
    return [{ file: new File([blob], base), path: `${name}/${path}` }];
  });
  const cut = inside.members.find(({ intact }) => !intact);
  const why = inside.fault ?? (cut === undefined ? null : `the checksum of ${cut.path} does not hold`);
  const units = unitsOf(files);
  if (units.length === 0) units.push({ name, kind: "folder", files: [], folders: [] });
  return units.map((unit) => ({ ...unit, archive: name, ...(why === null ? {} : { broken: { archive: name, why } }) }));
}
