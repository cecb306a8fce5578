// How much of a portion the module is given at once.

/** Plain bytes: they stay in the nearest caches, and the browser's better code for a call is taken up with the next. */
const PLAIN_STEP = 512 << 10;
/** Packed bytes, and those of Redis backups and archives: what is in them may be a thousand times as much. */
export const PACKED_STEP = 16 << 10;
/** Enough to tell a packed log. */
const MAGIC = 4;

interface TakesLogs {
  push(bytes: Uint8Array): void;
  /** Whether the log that is read is packed. */
  unfolds(): boolean;
}

/** Gives a portion of a log, so much at once where it is packed; `after` each step it is told whether it is. */
export function pushLog(scanner: TakesLogs, bytes: Uint8Array, packedStep: number, after: (isPacked: boolean) => void): void {
  let at = Math.min(MAGIC, bytes.length);
  scanner.push(bytes.subarray(0, at));
  const isPacked = scanner.unfolds();
  const step = isPacked ? packedStep : PLAIN_STEP;
  for (; at < bytes.length; at += step) {
    scanner.push(bytes.subarray(at, at + step));
    after(isPacked);
  }
}
