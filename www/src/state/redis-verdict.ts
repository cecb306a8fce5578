// The verdict on Redis backups, alone or beside logs. What can be done about damage core has said, see `remedies`.

import { recordTotal, type Report } from "../../../web/package/src/report";
import { capital, count, every, plural } from "../text/numbers";
import { checksumOf } from "../text/redis";
import { remedies } from "./session";
import type { Verdict } from "./tone";

export function hasRedis(seen: Report): boolean {
  return seen.files.some((file) => file.backup !== undefined);
}

export function ofRedis(seen: Report): Verdict {
  const { totals } = seen;
  const records = recordTotal(totals.records);
  const streams = seen.files.flatMap((file) => file.streams ?? []).filter((stream) => stream.papyra !== undefined).length;
  const things = seen.backend === "redis" ? every(totals.lines, "entry", "entries") : every(totals.lines, "entry or line", "entries and lines");
  if (seen.verdict === "clean") {
    if (streams === 0 && records === 0) {
      return {
        tone: "calm",
        title: "Intact, but no Papyra streams",
        sentence: `${marks(seen)} None of the keys in it is a stream of events, audits or dead letters. Is this the right file?`,
      };
    }
    return {
      tone: "good",
      title: "Valid backup",
      sentence: `${records === 0 ? "The streams in it are empty." : `${capital(things)} in ${plural(streams, "stream")} is an intact record.`} ${marks(seen)}`,
    };
  }
  const absent = seen.files.filter((file) => file.anomalies.some((anomaly) => anomaly.type === "MISSING_FILE")).length;
  const missing = absent === 0 ? "" : ` ${absent === 1 ? "A file" : `${count(absent)} files`} that the manifest names ${absent === 1 ? "was" : "were"} not opened: open the whole folder, or find ${absent === 1 ? "it" : "them"} in another copy.`;
  const wrong = plural(totals.anomalies, "anomaly", "anomalies");
  if (records === 0) return { tone: "bad", title: "Not readable", sentence: `No intact record was found: ${wrong}.${missing}` };
  const recovers = remedies.value.length > 0 && remedies.value.every((remedy) => remedy === "recover");
  const all = records === 1 ? "the one intact record" : `all ${count(records)} intact records`;
  return {
    tone: "mend",
    title: recovers ? `Usable after recovery: ${wrong}` : `Usable in part: ${wrong}`,
    sentence: recovers
      ? `Recovery cuts out what is damaged and keeps every whole command; ${all} that they come to stay.`
      : `${seen.backend === "redis" ? "An export brings out" : "Recovery and export keep"} ${all}. ${marks(seen)}${missing}`,
  };
}

/** What the files' own checksums add to the verdict. */
function marks(seen: Report): string {
  const found = seen.files.flatMap((file) => (file.backup === undefined || file.backup.format === "manifest" ? [] : [checksumOf(file.backup)]));
  const isCut = seen.files.some((file) => file.anomalies.some((anomaly) => anomaly.reason === "truncated"));
  if (isCut) return "The file is cut short: what stood behind that place is not in it.";
  if (found.includes("mismatch")) return "The checksum is wrong: bytes have changed since the server wrote them.";
  if (found.every((checksum) => checksum === "verified")) return found.length === 1 ? "Its checksum holds." : "Their checksums hold.";
  if (found.includes("not_reached")) return "The end of the file, where its checksum stands, is missing.";
  return found.length === 1 ? "It bears no checksum, so a changed byte that still makes sense would not be seen." : "Not all of it is covered by a checksum.";
}
