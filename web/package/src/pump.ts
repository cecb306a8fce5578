// Reads a file in portions and hands each to the engine, as fast as the two allow.
//
// On the main thread on purpose: browsers read a File inside a worker slowly, at the price of gigabytes of memory, or
// (WebKit from disk) not at all. A few buffers go round between the reader and the worker, so that memory stays flat.

export interface Handoff {
  /** Takes a filled buffer and resolves with one of the same size to fill next. */
  give(buffer: ArrayBuffer, length: number): Promise<ArrayBuffer>;
  /** Called with the bytes read of this file so far. */
  advance(bytes: number): void;
}

export interface PumpOptions {
  chunk: number;
  signal: AbortSignal;
  /** A read that takes longer than this is given up, once, in favour of the plain way of reading. */
  patience: number;
}

/** As many as keep both at work while one of them has to wait for a processor. */
const BUFFERS = 8;

/** Resolves with the number of bytes there really were, which is for the caller to compare with `file.size`. */
export async function pump(file: Blob, handoff: Handoff, options: PumpOptions): Promise<number> {
  const reader = streamReader(file);
  if (reader === null) return bySlices(file, 0, handoff, options);
  const buffers = Math.min(BUFFERS, Math.ceil(file.size / options.chunk) + 1);
  const streamed = await byStream(reader, buffers, handoff, options);
  return streamed.stalled ? bySlices(file, streamed.bytes, handoff, options) : streamed.bytes;
}

/** Files that are read before their turn, and that may be under way at the engine. */
export const AHEAD = 8;
/** A file up to this size is read at once. */
const SMALL = 1 << 20;

/**
 * Reads small files a few places before their turn: of many of them most of the time would pass waiting for each. The answer has
 * all bytes of a file, asked for in their order; null for a file that is to be read in portions.
 */
export function readAhead(files: readonly Blob[], chunk: number, whole = (file: Blob) => file.arrayBuffer()): (at: number) => Promise<ArrayBuffer> | null {
  const reads = new Map<number, Promise<ArrayBuffer>>();
  let next = 0;
  return (at) => {
    for (; next < files.length && next <= at + AHEAD; next += 1) {
      const file = files[next];
      if (file === undefined || file.size > Math.min(SMALL, chunk)) continue;
      const read = whole(file);
      read.catch(() => undefined); // met when its turn comes
      reads.set(next, read);
    }
    const read = reads.get(at) ?? null;
    reads.delete(at);
    return read;
  };
}

function streamReader(file: Blob): ReadableStreamBYOBReader | null {
  try {
    return file.stream().getReader({ mode: "byob" });
  } catch {
    return null; // older WebKit: no byte streams
  }
}

/** The reader must stay referenced while a read is under way, or some engines collect it in the middle. */
async function byStream(reader: ReadableStreamBYOBReader, buffers: number, handoff: Handoff, options: PumpOptions) {
  const free: (ArrayBuffer | Promise<ArrayBuffer>)[] = [];
  for (let i = 0; i < buffers; i += 1) free.push(new ArrayBuffer(options.chunk));
  let bytes = 0;
  for (;;) {
    const buffer = await (free.shift() as ArrayBuffer | Promise<ArrayBuffer>);
    if (options.signal.aborted) break;
    const read = await within(options, fill(reader, buffer));
    if (read === "stopped") break;
    if (read === "late") {
      void reader.cancel().catch(() => undefined);
      release(await Promise.all(free));
      return { bytes, stalled: true };
    }
    const view = read.value;
    if (view !== undefined && view.byteLength > 0 && !options.signal.aborted) {
      bytes += view.byteLength;
      // A rejection is met when the buffer's turn comes; until then it must not count as unhandled.
      const back = handoff.give(view.buffer as ArrayBuffer, view.byteLength);
      back.catch(() => undefined);
      free.push(back);
      handoff.advance(bytes);
    }
    if (read.done || options.signal.aborted) break;
  }
  void reader.cancel().catch(() => undefined);
  release(await Promise.all(free));
  return { bytes, stalled: false };
}

/** Gives their memory back at once, where the engine can: its next collection of garbage may be many passes away. */
export function release(buffers: ArrayBuffer[]) {
  for (const buffer of buffers) (buffer as { transfer?: (length: number) => ArrayBuffer }).transfer?.(0);
}

/** `min` is younger than the types: with it a portion comes full, without it in bits. */
function fill(reader: ReadableStreamBYOBReader, buffer: ArrayBuffer) {
  const read = reader.read.bind(reader) as (view: Uint8Array, options: { min: number }) => Promise<ReadableStreamReadResult<Uint8Array>>;
  return read(new Uint8Array(buffer), { min: buffer.byteLength });
}

async function bySlices(file: Blob, from: number, handoff: Handoff, options: PumpOptions): Promise<number> {
  let bytes = from;
  let given: Promise<unknown> = Promise.resolve();
  while (bytes < file.size && !options.signal.aborted) {
    const buffer = await file.slice(bytes, bytes + options.chunk).arrayBuffer();
    await given;
    if (buffer.byteLength === 0 || options.signal.aborted) break;
    bytes += buffer.byteLength;
    given = handoff.give(buffer, buffer.byteLength);
    handoff.advance(bytes);
  }
  await given;
  return bytes;
}

/** Stopping must not wait for a disk that does not answer. */
function within<T>({ patience, signal }: PumpOptions, promise: Promise<T>): Promise<T | "late" | "stopped"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  const other = new Promise<"late" | "stopped">((resolve) => {
    timer = setTimeout(() => resolve("late"), patience);
    stop = () => resolve("stopped");
    signal.addEventListener("abort", stop);
  });
  promise.catch(() => undefined); // its failure no longer matters once the race is over
  return Promise.race([promise, other]).finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  });
}
