// Numbers in words: separators, sizes, speeds, spans of time. Nothing here knows about files or reports.

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** 1234567 → "1,234,567" */
export function count(value: number): string {
  return whole.format(value);
}

/** "1 anomaly", "3 anomalies" */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** "the only line", "every one of 53 lines" */
export function every(value: number, one: string, many = `${one}s`): string {
  return value === 1 ? `the only ${one}` : `every one of ${plural(value, one, many)}`;
}

/** "every line" → "Every line" */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** 8680 → "8.5 KiB": for the eye. */
export function size(bytes: number): string {
  if (bytes < 1024) return plural(bytes, "byte");
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${tenth.format(value)} ${units[unit]}`;
}

/** "8.5 KiB (8,680 bytes)": for a record of what was seen. */
export function exactSize(bytes: number): string {
  return bytes < 1024 ? size(bytes) : `${size(bytes)} (${count(bytes)}\u00a0bytes)`;
}

/** 311 → "0x137" */
export function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}

export function speed(bytesPerSecond: number): string {
  return `${whole.format(bytesPerSecond / 2 ** 20)} MiB/s`;
}

/** Seconds → "under a second", "42 s", "3 min 5 s", "2 h 10 min" */
export function duration(seconds: number): string {
  if (seconds < 1) return "under a second";
  if (seconds < 60) return `${whole.format(seconds)} s`;
  const total = Math.round(seconds);
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`;
  if (total < 86_400) return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`;
  return `${plural(Math.floor(total / 86_400), "day")} ${Math.floor((total % 86_400) / 3600)} h`;
}

/** Below it a stamp is seconds of a running clock (usually since boot), not a date. */
const FIRST_UNIX_TIME = 1e9;
const DAY = 86_400;

export function isUnixTime(seconds: number): boolean {
  return seconds >= FIRST_UNIX_TIME && seconds <= Date.now() / 1000 + DAY;
}

/** A timestamp of the log, as a date where it is one. */
export function moment(seconds: number, exact = false): string {
  if (!isUnixTime(seconds)) return `${trim(seconds)} s`;
  const text = new Date(seconds * 1000).toISOString().replace("T", " ");
  return exact ? `${text.slice(0, 23)} UTC` : text.slice(0, 19);
}

/** RFC 3339 → "3 h ago" */
export function age(stamp: string): string {
  const seconds = (Date.now() - Date.parse(stamp)) / 1000;
  if (Number.isNaN(seconds)) return "at an unknown time";
  if (seconds < -60) return "in the future";
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${plural(Math.floor(seconds / 86_400), "day")} ago`;
}

/** What lies between the first and the last timestamp: a title and, when they are dates, the two ends. */
export function timeSpan(first: number | null, last: number | null): { title: string; ends: string } {
  if (first === null || last === null) return { title: "no timestamps", ends: "" };
  const unix = isUnixTime(first) && isUnixTime(last);
  const title = last < first ? "clock restarted" : duration(last - first);
  const ends = unix ? `${moment(first)} to ${moment(last)} UTC` : `clock ${trim(first)} s to ${trim(last)} s`;
  return { title, ends };
}

function trim(seconds: number): string {
  return String(Math.round(seconds * 1000) / 1000);
}
