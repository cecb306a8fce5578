// Reading Redis backups: the engine says which bytes of which file come next, also a second time, until it has enough.

import type { Engine } from "../engine/engine";
import { pump } from "../../../web/package/src/pump";
import type { Source } from "../read/source";
import { chunkSize } from "./address";
import * as session from "./session";

const PATIENCE = 20_000;

/** Told how far the reading is: bytes of all files up to here, which file, and bytes of it. */
export type Tell = (bytes: number, file: number, fileBytes: number, now?: boolean) => void;

export async function readRedis(list: readonly Source[], worker: Engine, job: number, signal: AbortSignal, tell: Tell) {
  for (let ended = false; ; ended = true) {
    const want = session.redis.value.length === 0 ? null : await worker.want(job, ended);
    if (want === null) return "all" as const;
    const { file, from, to } = want;
    const blob = list[file]?.file;
    if (blob === undefined) return "changed" as const;
    session.pass.value = want.pass;
    const before = list.slice(0, file).reduce((sum, source) => sum + source.file.size, 0);
    const handoff = {
      give: (buffer: ArrayBuffer, length: number) => worker.give(job, buffer, length),
      advance: (bytes: number) => tell(before + from + bytes, file, from + bytes),
    };
    tell(before + from, file, from, true);
    const enough = new AbortController();
    const stop = () => enough.abort();
    signal.addEventListener("abort", stop);
    worker.onEnough = (from) => from === job && stop();
    const bytes = await pump(blob.slice(from, to), handoff, { chunk: chunkSize(), signal: enough.signal, patience: PATIENCE });
    signal.removeEventListener("abort", stop);
    if (signal.aborted) return "part" as const;
    if (bytes !== to - from && !enough.signal.aborted) return "changed" as const;
  }
}
