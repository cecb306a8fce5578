// The two ends of a file, by which it is told what it is. A file that cannot be read has none: reading it says so later.

import type { Ends } from "../engine/protocol";
import { partOf } from "./held";
import type { Source } from "./source";

/** What the engine asks for, in bytes: of a file by itself, and of one among others. */
const ALONE = 512;
const AMONG = 64 << 10;
const END = 10;

export async function endsOf({ file, path }: Source, among: boolean): Promise<Ends> {
  const part = async (from: number, to: number) => {
    try {
      return await partOf(file, from, to);
    } catch {
      return new Uint8Array();
    }
  };
  const length = among ? AMONG : ALONE;
  // Of a short file the start is all of it.
  const apart = file.size > length ? part(file.size - END, file.size) : null;
  const start = await part(0, length);
  const end = (await apart) ?? start.slice(-END);
  return { path, size: file.size, start, end };
}
