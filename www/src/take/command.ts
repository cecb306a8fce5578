// The command that does on the server what the page only shows.

import type { Report } from "../engine/report";

export function command(paths: readonly string[], seen: Report): string {
  const active = seen.files.find((file) => file.role === "active")?.path ?? paths.at(-1) ?? "events.ndjson";
  // A set is named by its active file, whatever numbers were opened.
  const name = seen.backend === "rotating" ? active.replace(/\.\d+$/, "") : active;
  const backend = seen.backend === "rotating" ? " --backend rotating" : "";
  return `papyra persistence recover --path ${quote(name)}${backend}`;
}

/** For a POSIX shell. A leading dash would be an option. */
export function quote(text: string): string {
  const safe = text.startsWith("-") ? `./${text}` : text;
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", "'\\''")}'`;
}
