// The command that does on the server what the page only shows.

import type { Report } from "../engine/report";
import type { RedisBackup, Remedy } from "../engine/redis";
import { visible } from "../text/escape";

/** For each Redis backup: repair where core says that it can be repaired, else an export. */
export function redisCommands(paths: readonly string[], backups: readonly RedisBackup[], remedies: readonly Remedy[]): string[] {
  return backups.flatMap((backup, index) => {
    // Without its manifest a set is named by its folder, which servers call so.
    const path = backup.manifest ?? (backup.files.length > 1 ? "appendonlydir" : paths[backup.files[0] ?? -1]);
    if (path === undefined) return [];
    if (remedies[index] === "recover") return [`papyra persistence recover --path ${quote(path)}`];
    return [`papyra redis export --path ${quote(path)} --to ${quote(folderFor(path))}`];
  });
}

function folderFor(path: string): string {
  return `exported-${path.replace(/\.(rdb|dump|aof|manifest)$/, "").replaceAll(/[^A-Za-z0-9_.-]/g, "-")}`;
}

export function command(paths: readonly string[], seen: Report): string {
  const active = seen.files.find((file) => file.role === "active")?.path ?? paths.at(-1) ?? "events.ndjson";
  // A set is named by its active file, whatever numbers were opened.
  const name = seen.backend === "rotating" ? active.replace(/\.\d+$/, "") : active;
  const backend = seen.backend === "rotating" ? " --backend rotating" : "";
  const unpacked = name.replace(/\.(gz|zst)$/, "");
  const unpack = name.endsWith(".gz") ? `gunzip -k ${quote(name)} && ` : name.endsWith(".zst") ? `unzstd ${quote(name)} && ` : "";
  return `${unpack}papyra persistence recover --path ${quote(unpacked)}${backend}`;
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
