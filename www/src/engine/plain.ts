// Unpacked bytes on their way out of the worker's memory: a Blob is the browser's to keep.

const FRESH_LIMIT = 8 << 20;

/** The bytes of one file, as they come. */
export class Plain {
  #blobs: Blob[] = [];
  #fresh: Uint8Array<ArrayBuffer>[] = [];
  #freshBytes = 0;

  /** Without bytes there turned out to be too many, or none: then what was kept so far is of no use. */
  keep(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) {
      this.#blobs = [];
      this.#fresh = [];
      return;
    }
    if (bytes.length === 0) return;
    this.#fresh.push(bytes as Uint8Array<ArrayBuffer>);
    this.#freshBytes += bytes.length;
    if (this.#freshBytes >= FRESH_LIMIT) this.#settle();
  }

  #settle(): void {
    this.#blobs.push(new Blob(this.#fresh));
    this.#fresh = [];
    this.#freshBytes = 0;
  }

  /** All that was kept. */
  all(): Blob {
    this.#settle();
    return new Blob(this.#blobs);
  }

  /** All of these bytes, or null when some of them were too much to keep. */
  whole(bytes: number): Blob | null {
    const all = this.all();
    return all.size === bytes ? all : null;
  }
}
