// The files in an archive, unpacked as it goes by. What is in it and how it is packed is decided in the module.

import { PACKED_STEP } from "../../../web/package/src/steps";
import * as explore from "../../../web/pkg/explore/papyra_web.js";
import { Plain } from "./plain";
import type { ArchiveMember, PassedOver, Unpacked } from "./protocol";

/** What core says of an archive as it goes by, in order; bytes stand one after the other. */
type Seen =
  | { begin: string; place: [number, number] | null }
  | { bytes: number }
  | { end: boolean }
  | { other: string; what: string };

/** Bytes that are unpacked of one archive. */
const MOST_UNPACKED = 2 ** 30;

export class Members {
  readonly #archive: explore.Archive;
  /** Each with its bytes, unless they lie in the archive as they are. */
  readonly #files: { member: ArchiveMember; plain: Plain | null }[] = [];
  readonly #others: PassedOver[] = [];
  #bytes = 0;
  #isOver = false;

  /** `head` tells of which kind the archive is. */
  constructor(
    readonly job: number,
    head: Uint8Array,
  ) {
    this.#archive = new explore.Archive(head);
  }

  /** False: the rest of the archive is not needed. What is on its way all the same is passed over. */
  push(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length && !this.#isOver; at += PACKED_STEP) {
      const goesOn = this.#archive.push(bytes.subarray(at, at + PACKED_STEP));
      this.#takeSeen();
      this.#isOver = !goesOn || this.#isTooLarge;
    }
    return !this.#isOver;
  }

  /** The archive is over. */
  end(): Unpacked {
    const fault = this.#archive.finish() ?? null;
    this.#takeSeen();
    this.free();
    return { members: this.#files.map(({ member }) => member), others: this.#others, fault, tooLarge: this.#isTooLarge };
  }

  free(): void {
    this.#archive.free();
  }

  get #isTooLarge(): boolean {
    return this.#bytes > MOST_UNPACKED;
  }

  #takeSeen(): void {
    const seen = JSON.parse(this.#archive.take_seen()) as Seen[];
    const plain = this.#archive.take_bytes();
    let from = 0;
    for (const told of seen) {
      const file = this.#files.at(-1);
      if ("begin" in told) {
        const member: ArchiveMember = { path: told.begin, bytes: null, place: told.place, intact: false };
        this.#files.push({ member, plain: told.place === null ? new Plain() : null });
      } else if ("other" in told) {
        this.#others.push({ path: told.other, reason: told.what });
      } else if (file !== undefined && "end" in told) {
        file.member = { ...file.member, intact: told.end, bytes: file.plain?.all() ?? null };
      } else if (file !== undefined && "bytes" in told) {
        file.plain?.keep(plain.slice(from, from + told.bytes));
        from += told.bytes;
        this.#bytes += told.bytes;
      }
    }
  }
}
