// The command that does on the server what the page only shows.

import type { LogSet } from "../engine/protocol";
import type { Unit } from "../read/units";
import type { RedisBackup, Remedy } from "../engine/redis";
import { archive, packed, report, seenOf, sets, unitName } from "../state/session";
import { visible } from "../text/escape";
import { repairedName } from "./repair";

/** For each Redis backup: repair where core says that it can be repaired, else an export. */
export function redisCommands(paths: readonly string[], backups: readonly RedisBackup[], remedies: readonly Remedy[]): string[] {
  return backups.flatMap((backup, index) => {
    // Without its manifest a set is named by its folder, which servers call so.
    const first = paths[backup.files[0] ?? -1];
    if (first === undefined) return [];
    const path = backup.manifest ?? (backup.files.length > 1 ? first.slice(0, Math.max(0, first.lastIndexOf("/"))) : first);
    const whole = quote(inFolder(path) || "appendonlydir");
    if (remedies[index] === "recover") return [`papyra persistence recover --path ${whole}`];
    return [`papyra redis export --path ${whole} --to ${quote(folderFor(path || "appendonlydir"))}`];
  });
}

function folderFor(path: string): string {
  return `exported-${path.slice(path.lastIndexOf("/") + 1).replace(/\.(rdb|dump|aof|manifest)$/, "").replaceAll(/[^A-Za-z0-9_.-]/g, "-")}`;
}

/** What recovers the logs that are damaged, a command for each log or set. */
export function logCommands(): string[] {
  return sets.value.flatMap((set) => {
    if (!set.files.some((file) => (seenOf(file)?.anomaly_count ?? 0) > 0 || isGap(set))) return [];
    const path = inFolder(set.base);
    // What a compressed log holds goes to a file of its own: the archive stays as it is.
    if (set.files.some((file) => packed.value[file] === true && seenOf(file)?.role === "active")) {
      return [`papyra persistence recover --path ${quote(path)} --to ${quote(inFolder(repairedName(set.base)))}`];
    }
    return [`papyra persistence recover --path ${quote(path)}${set.rotating ? " --backend rotating" : ""}`];
  });
}

/** What tells of a folder or a backup on the command line what the page tells of it: it reads one at a time. */
export function sameCommand({ kind, name, archive: from }: Unit): string | null {
  const folder = from === undefined ? name : name.slice(from.length + 1);
  if (kind === "files" || folder === "") return null;
  return kind === "backup" ? `papyra backup verify ${quote(folder)}` : `papyra persistence scan --path ${quote(folder)}`;
}

function isGap({ base }: LogSet): boolean {
  return report.value?.files.some(({ role, path }) => role === "missing" && path.startsWith(`${base}.`)) === true;
}

/** A folder is opened by its name, so that commands work from where it lies; what was in an archive, from where it was unpacked. */
function inFolder(name: string): string {
  const folder = archive.value === null ? unitName.value : unitName.value.slice(archive.value.length + 1);
  return [folder, name].filter((part) => part !== "").join("/");
}

/** For a shell. A leading dash would be an option; what does not print is spelled out, as bash and zsh read it. */
export function quote(text: string): string {
  const safe = text.startsWith("-") ? `./${text}` : text;
  if (/^[A-Za-z0-9_./:@%+=,-]+$/.test(safe)) return safe;
  if (visible(safe) === safe) return `'${safe.replaceAll("'", "'\\''")}'`;
  const spelled = [...safe].map((char) => {
    if (char === "\\" || char === "'") return `\\${char}`;
    return visible(char) === char ? char : `\\U${(char.codePointAt(0) ?? 0).toString(16).padStart(8, "0")}`;
  });
  return `$'${spelled.join("")}'`;
}
