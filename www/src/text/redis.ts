// Redis backups in words: what their files are, what their checksums say, what each finding of theirs means.

import type { BackupReport, Checksum, StreamReport } from "../../../web/package/src/report";
import type { RedisBackup } from "../engine/redis";
import { count, plural } from "./numbers";

const FORMATS: Record<BackupReport["format"], string> = {
  rdb: "RDB file",
  dump: "DUMP payload",
  aof: "append-only file",
  manifest: "manifest of an append-only folder",
};

/** "Redis RDB file, version 10" */
export function formatOf(backup: BackupReport): string {
  const { header } = backup;
  const vendor = header?.vendor === "valkey" ? "Valkey" : "Redis";
  if (header === undefined) return `${vendor} ${FORMATS[backup.format]}`;
  // The base of a folder is an RDB file and nothing else.
  return backup.format === "aof" && backup.commands !== 0
    ? `${vendor} append-only file, begins with RDB version ${header.version}`
    : `${vendor} ${FORMATS[backup.format === "aof" ? "rdb" : backup.format]}, version ${header.version}`;
}

export const CHECKSUMS: Record<Checksum, { title: string; tone: "good" | "bad" | "calm"; meaning: string }> = {
  verified: { title: "Checksum verified", tone: "good", meaning: "The bytes are those that the server wrote." },
  mismatch: { title: "Wrong checksum", tone: "bad", meaning: "Bytes have changed since the server wrote them." },
  not_checksummed: {
    title: "Not checksummed",
    tone: "calm",
    meaning: "The server was told to write no checksum: a changed byte that still makes sense would not be seen.",
  },
  not_reached: { title: "Checksum not reached", tone: "calm", meaning: "The reading ended before it." },
};

/** An append-only file has no checksum of its own. */
export function checksumOf(backup: BackupReport): Checksum {
  return backup.checksum ?? "not_checksummed";
}

const KINDS = { events: "events", audits: "audits", dead_letters: "dead letters" } as const;

/** "orders: dead letters", or the key of a stream that is not Papyra's. */
export function streamName(stream: StreamReport): { system: string; kind: string } {
  return stream.papyra === undefined
    ? { system: "", kind: "not Papyra's" }
    : { system: stream.papyra.system_id, kind: KINDS[stream.papyra.kind] };
}

/** What follows "one": "an append-only folder of 2 files" */
export function backupName(backup: RedisBackup): string {
  if (backup.what === "rdb") return "a Redis dump";
  if (backup.what === "dump") return "a DUMP payload";
  return backup.manifest === null ? "an append-only file" : `an append-only folder of ${plural(backup.files.length, "file")}`;
}

/** "12 keys of other types, 3 streams that are not Papyra's" */
export function others(keys: number, streams: number): string {
  const parts = [];
  if (keys > 0) parts.push(`${plural(keys, "key")} of other types`);
  if (streams > 0) parts.push(streams === 1 ? "1 stream that is not Papyra's" : `${count(streams)} streams that are not Papyra's`);
  return parts.join(", ");
}

export const REASONS: Record<string, { title: string; meaning: string }> = {
  truncated: { title: "Cut short", meaning: "The file ends in the middle: the copy was not finished, or the disk was full. What follows is not in it." },
  checksum_mismatch: {
    title: "Wrong checksum",
    meaning: "Bytes have changed since the server wrote them. Where they still make sense, only this shows it.",
  },
  broken_structure: {
    title: "Damaged structure",
    meaning: "From here on the bytes do not follow the format, so that what comes after could not be followed either.",
  },
  trailing_bytes: { title: "Bytes after the end", meaning: "The backup is over, and more follows that belongs to nothing." },
  broken_node: { title: "Damaged stream node", meaning: "A block of entries cannot be unpacked; the entries in it are lost." },
  node_order: { title: "Blocks out of order", meaning: "Two blocks of a stream's entries have one ID, or stand in the wrong order." },
  entry_order: { title: "Entries out of order", meaning: "An entry's ID is not greater than the one before it, or past the stream's last." },
  count_mismatch: { title: "Wrong count", meaning: "The stream declares another number of entries than it holds." },
  id_mismatch: { title: "Contradicting IDs", meaning: "The stream's first, last or deleted ID does not fit its entries." },
  duplicate_group: { title: "Group listed twice", meaning: "Two consumer groups of one stream have the same name." },
  duplicate_consumer: { title: "Consumer listed twice", meaning: "Two consumers of one group have the same name." },
  duplicate_key: { title: "Stream listed twice", meaning: "One key is in the file twice; a server refuses to load such a file." },
  duplicate_pending: { title: "Pending entry listed twice", meaning: "An ID is in the group's list of pending entries twice." },
  pending_not_in_group: { title: "Pending entry unknown to its group", meaning: "A consumer holds an entry that its group does not list." },
  pending_twice: { title: "Pending entry held twice", meaning: "Two consumers hold the same entry." },
  pending_unowned: { title: "Pending entry without a holder", meaning: "The group lists an entry as pending that no consumer holds." },
  missing_data_field: { title: "Entry without data", meaning: "Papyra keeps each record in the field `data`; this entry has none." },
  broken_command: { title: "Damaged command", meaning: "These bytes of the append-only file are not a command. A server would stop here, or load what is wrong." },
  unfinished_transaction: {
    title: "Unfinished transaction",
    meaning: "A transaction was begun and its end is not there. Recovery keeps its whole commands.",
  },
  unknown_database: {
    title: "Record of an unknown database",
    meaning: "The damage before may hide which database this record belongs to. Recovery sets it aside.",
  },
  record_in_damage: {
    title: "Record within damage",
    meaning: "It looks like an intact record, but nothing proves where commands begin around it. Recovery sets it aside.",
  },
  refused_command: { title: "Command that cannot be followed", meaning: "A server would refuse it, or it contradicts the state before it." },
  refused_value: {
    title: "Value that a server refuses",
    meaning: "A server does not load the file because of this key.",
  },
  broken_manifest: {
    title: "Manifest and files do not match",
    meaning: "The manifest of the append-only folder cannot be followed, or names a file that is not there.",
  },
};
