// What each finding means, in plain words. The sentence about one finding comes from core; these explain its kind.

import { capital } from "./numbers";
import { REASONS as REDIS } from "./redis";

interface Explained {
  title: string;
  meaning: string;
}

const REASONS: Record<string, Explained> = {
  torn_tail: {
    title: "Torn last line",
    meaning: "The file ends in the middle of a record: the writer was stopped, or the copy was taken, while it was being written.",
  },
  missing_newline: {
    title: "No newline at the end",
    meaning: "The last record is intact; only the newline after it was never written.",
  },
  glued_records: {
    title: "Records run together",
    meaning: "A record was cut off or lost its newline, and the next one was appended right behind it on the same line.",
  },
  nul_bytes: {
    title: "NUL bytes",
    meaning: "A run of zero bytes, as a power cut leaves behind when the file had grown but its data never reached the disk.",
  },
  invalid_utf8: { title: "Not valid UTF-8", meaning: "Bytes that are not text. Something overwrote or garbled this part of the file." },
  invalid_json: { title: "Not valid JSON", meaning: "The line is text, but no complete record can be read from it." },
  not_an_object: { title: "Not a record", meaning: "Valid JSON, but not an object: no Papyra writer produces such a line." },
  blank_line: { title: "Blank line", meaning: "An empty line. Nothing is lost with it." },
  leftover_temporary: {
    title: "Left-over temporary file",
    meaning: "A compaction or a recovery was interrupted and left its working file behind. It may be the only copy.",
  },
  beyond_rotation: { title: "Outside the rotation", meaning: "The file's number lies beyond the rotation set; Papyra will not read it." },
  packed_member: {
    title: "Compressed part of the log",
    meaning: "Another tool has compressed this older part of the log; Papyra does not read it, and neither does recovery.",
  },
  renamed_member: {
    title: "Renamed part of the log",
    meaning: "Another tool has renamed this older part of the log; Papyra does not read it, and neither does recovery.",
  },
  foreign_file: {
    title: "A file that does not belong",
    meaning: "It bears the log's name, but is neither a member of the rotation set nor a known temporary file.",
  },
  damaged_archive: {
    title: "Damaged archive",
    meaning: "The compressed file is cut short or does not check out. What could be unpacked before that place was scanned.",
  },
  rotation_gap: {
    title: "A file is missing",
    meaning: "The numbers of the rotation set have a gap. What that file held is not in this backup, and recovery cannot bring it back.",
  },
  ...REDIS,
  unreadable: { title: "Could not be read", meaning: "Reading stopped here; what follows was not checked." },
};

export function reasonTitle(reason: string): string {
  return REASONS[reason]?.title ?? sentence(reason);
}

export function reasonMeaning(reason: string): string {
  return REASONS[reason]?.meaning ?? "";
}

const KINDS: Record<string, [string, string]> = {
  event: ["event", "events"],
  audit: ["audit", "audits"],
  dead_letter: ["dead letter", "dead letters"],
  other: ["other record", "other records"],
};

export function kindName(kind: string, many = true): string {
  const names = KINDS[kind];
  return names === undefined ? sentence(kind) : names[many ? 1 : 0];
}

/** snake_case → "Snake case", for a name this page does not know yet. */
function sentence(name: string): string {
  return capital(name.replaceAll("_", " "));
}
