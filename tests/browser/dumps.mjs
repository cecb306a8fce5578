// The Redis backups that the page tests open: what a real Redis wrote, whole and damaged, named by what is wrong with them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./browser.mjs";
import { lines, write } from "./logs.mjs";

const fixture = (name) => readFileSync(join(root, "tests/fixtures", name));
const DUMP = fixture("redis/dump.rdb");
const COMMANDS = fixture("redis/appendonlydir/appendonly.aof.1.incr.aof");

const flipped = (bytes, at) => {
  const copy = Buffer.from(bytes);
  copy[at] ^= 0x10;
  return copy;
};

export const dump = () => write("dump/dump.rdb", DUMP);
export const dumpCut = () => write("dumpcut/dump.rdb", DUMP.subarray(0, 9000));
export const dumpFlipped = () => write("dumpflipped/dump.rdb", flipped(DUMP, 5000));
export const dumpUnchecked = () => write("dumpunchecked/dump.rdb", Buffer.concat([DUMP.subarray(0, -8), Buffer.alloc(8)]));
export const dumpUnknown = () => write("dumpunknown/dump.rdb", Buffer.concat([Buffer.from("REDIS0099"), DUMP.subarray(9)]));
export const valkey = () => write("valkey/dump.rdb", fixture("rdb/valkey-8.0.1.rdb"));
export const payload = () => write("payload/papyra:orders:events.dump", fixture("redis/events.dump"));
export const commands = () => write("aof/appendonly.aof", COMMANDS);
export const commandsCut = () => write("aofcut/appendonly.aof", COMMANDS.subarray(0, -30));
export const afterADump = () => write("aofafter/appendonly.aof", Buffer.concat([DUMP, COMMANDS]));
/** A dump of many short strings, which takes a while in small portions. */
export const long = () => {
  const strings = Array.from({ length: 300_000 }, (_, n) => `\0\u0008${String(n).padStart(8, "0")}\u000csome content`).join("");
  return write("dumplong/dump.rdb", Buffer.concat([Buffer.from("REDIS0010"), Buffer.from(strings, "latin1"), Buffer.from([255]), Buffer.alloc(8)]));
};
/** Markup and control characters in names that reach the page. */
export const nasty = () => {
  const args = ["XADD", "papyra:<img src=x onerror=alert(1)>\u202e:events", "1-1", "data", "<script>alert(2)</script>"];
  return write("nastyaof/appendonly.aof", `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join("")}`);
};

/** Three files, in an order that is not the manifest's. */
export function folder({ damaged = false, base = "redis/appendonlydir/appendonly.aof.1.base.rdb" } = {}) {
  const at = `appendonlydir-${damaged ? "damaged" : "whole"}-${base.length}`;
  // The mark that begins a command.
  const bytes = damaged ? flipped(COMMANDS, COMMANDS.indexOf("\r\n*", COMMANDS.length >> 1) + 2) : COMMANDS;
  return [
    write(`${at}/appendonly.aof.1.incr.aof`, bytes),
    write(`${at}/appendonly.aof.manifest`, fixture("redis/appendonlydir/appendonly.aof.manifest")),
    write(`${at}/appendonly.aof.1.base.rdb`, fixture(base)),
  ];
}

/** A dump beside a log, as they lie in one backup folder. */
export const besideALog = () => [write("beside/dump.rdb", DUMP), write("beside/events.ndjson", `${lines(0, 20)}{broken\n`)];
