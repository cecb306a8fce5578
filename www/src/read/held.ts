// Small files are read once: what is asked of their ends, and then of all of them, comes from the same bytes. Each read, and each slice
// of a file, costs a browser about a millisecond, which is more than the scan of a small log.

const SMALL = 512 << 10;
/** Bytes that are kept at most between the look and the scan. */
const MOST = 48 << 20;

let held = new Map<Blob, Promise<ArrayBuffer>>();
let bytes = 0;

/** Something else is opened. */
export function letGo(): void {
  held = new Map();
  bytes = 0;
}

/** These bytes of a file, in memory of their own. */
export async function partOf(file: Blob, from: number, to: number): Promise<Uint8Array<ArrayBuffer>> {
  let whole = held.get(file);
  if (whole === undefined && file.size <= SMALL && bytes + file.size <= MOST) {
    whole = file.arrayBuffer();
    held.set(file, whole);
    bytes += file.size;
  }
  return new Uint8Array(whole === undefined ? await file.slice(from, to).arrayBuffer() : (await whole).slice(from, to));
}

/** The whole of a file, for whoever gives it away. */
export function wholeOf(file: Blob): Promise<ArrayBuffer> {
  const whole = held.get(file);
  if (whole === undefined) return file.arrayBuffer();
  held.delete(file);
  bytes -= file.size;
  return whole;
}
