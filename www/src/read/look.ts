// The two ends of a file, by which it is told what it is. A file that cannot be read has none: reading it says so later.

import type { Ends } from "../engine/protocol";
import type { Source } from "./source";

/** What the engine asks for, in bytes. */
const START = 512;
const END = 10;

export async function endsOf({ file, path }: Source): Promise<Ends> {
  const part = async (from: number, to: number) => {
    try {
      return new Uint8Array(await file.slice(from, to).arrayBuffer());
    } catch {
      return new Uint8Array();
    }
  };
  return { path, size: file.size, start: await part(0, START), end: await part(Math.max(0, file.size - END), file.size) };
}
