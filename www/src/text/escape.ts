// Bytes of a log as text that is safe to look at: what would not print, or would reorder the line, is spelled out.

/** Control characters, bidi controls, zero-width characters, fillers that look empty, separators, lone surrogates, tags. */
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u034f\u115f\u1160\u17b4\u17b5\u200b-\u200f\u2028-\u202f\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e0fff}]/gu;

const NAMED: Record<string, string> = { "\n": "⏎", "\t": "→\t", "\r": "␍" };

/** For text that is a string already (a field of a record, a file name). */
export function visible(text: string): string {
  return text.replace(HIDDEN, (char) => NAMED[char] ?? `\\u{${char.codePointAt(0)?.toString(16)}}`);
}

/** Bytes as text; each byte that is not UTF-8 becomes \xNN. */
export function visibleBytes(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    return visible(decoder.decode(bytes));
  } catch {
    return slowly(bytes);
  }
}

function slowly(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at] ?? 0);
    try {
      text += visible(decoder.decode(bytes.subarray(at, at + length)));
      at += length;
    } catch {
      text += `\\x${(bytes[at] ?? 0).toString(16).padStart(2, "0")}`;
      at += 1;
    }
  }
  return text;
}

function sequenceLength(lead: number): number {
  if (lead >= 0xf0) return 4;
  if (lead >= 0xe0) return 3;
  return lead >= 0xc0 ? 2 : 1;
}

/** One byte for the right-hand column of a hex dump. */
export function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·";
}
