// Backups made by the command, and harm done to them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./browser.mjs";
import * as logs from "./logs.mjs";

/** A backup of a rotation set of three files, made by the command. */
export function backup({ damaged = false, compress = "none", rejects = false } = {}) {
  const folder = mkdtempSync(join(logs.folder, "backup-"));
  const source = join(folder, "persistence");
  mkdirSync(source);
  const parts = [["rot.log.2", logs.lines(0, 6000)], ["rot.log.1", logs.lines(6000, 9000)], ["rot.log", logs.lines(9000, 9100)]];
  for (const [name, text] of parts) writeFileSync(join(source, name), damaged && name === "rot.log.1" ? `{"ki\n${text}` : text);
  if (rejects) {
    mkdirSync(join(source, ".papyra-rejected"));
    writeFileSync(join(source, ".papyra-rejected", "rot.log.1.bytes"), '{"torn');
  }
  const options = ["--compress", compress, ...(rejects ? ["--include-rejects"] : []), ...(damaged ? ["--accept-damage"] : [])];
  const made = run("backup", "create", "--path", source, "--to", join(folder, "kept"), "--name", "one", ...options);
  assert.equal(made.code, 0, made.errors);
  return join(folder, "kept", "one");
}

/** Changes the manifest and makes SHA256SUMS agree, as somebody would who means harm. */
export function forge(folder, change) {
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  change(manifest);
  const text = JSON.stringify(manifest);
  writeFileSync(join(folder, "manifest.json"), text);
  const sums = manifest.files.map((file) => `${file.stored_sha256}  ${file.stored}\n`);
  writeFileSync(join(folder, "SHA256SUMS"), `${createHash("sha256").update(text).digest("hex")}  manifest.json\n${sums.join("")}`);
}

/** Changes one bit in the middle of a file. */
export function flip(path) {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] ^= 0x04;
  writeFileSync(path, bytes);
}
