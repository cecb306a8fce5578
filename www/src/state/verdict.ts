// The verdict: from what is known to one headline, one sentence, one tone.

import type { BackupTold } from "../engine/backup";
import { type Report, recordTotal } from "../../../web/package/src/report";
import { capital, count, every, plural, size } from "../text/numbers";
import { hasRedis, ofRedis } from "./redis-verdict";
import { visible } from "../text/escape";
import { backup, broken, looksLike, phase, type Phase, progress, report, trouble } from "./session";
import type { Verdict } from "./tone";

export function verdict(): Verdict {
  const told = judge(phase.value, report.value, looksLike.value, backup.value);
  const archive = broken.value;
  if (archive === null || phase.value !== "done") return told;
  return {
    tone: told.tone === "bad" ? "bad" : "mend",
    title: "Damaged archive",
    sentence: `${visible(archive.archive)} could not be read completely: ${visible(archive.why)}. What came out before that place was checked. ${told.title}: ${told.sentence}`,
  };
}

/** Whether a packed log could not be unpacked to its end: then what followed is lost, whatever recovery does. */
function isCut(seen: Report): boolean {
  return seen.files.some((file) => file.anomalies.some((anomaly) => anomaly.reason === "damaged_archive"));
}

function judge(now: Phase, seen: Report | null, looks: string | null, stored: BackupTold | null): Verdict {
  switch (now) {
    case "reading":
      return { tone: "calm", title: "Reading…", sentence: "" };
    case "changed":
    case "refused":
    case "failed":
      return {
        tone: now === "changed" ? "mend" : "bad",
        title: trouble.value?.title ?? "No verdict",
        sentence: trouble.value?.text ?? "",
      };
    case "cancelled":
      return {
        tone: "calm",
        title: "Cancelled: no verdict",
        sentence:
          `You see the first ${size(progress.value.bytes)} of ${size(progress.value.total)} ` +
          `(${count(progress.value.bytes)} of ${count(progress.value.total)} bytes). What follows was not checked.`,
      };
    case "empty":
      return { tone: "calm", title: "", sentence: "" };
    case "done":
      if (seen === null) return { tone: "calm", title: "", sentence: "" };
      return stored === null ? ofReport(seen, looks) : ofBackup(stored, seen);
  }
}

/** As `papyra backup verify` judges: whether it holds what was copied, then whether that was whole. */
function ofBackup(stored: BackupTold, seen: Report): Verdict {
  const files = plural(stored.files, "file");
  if (stored.damage.length > 0) {
    return {
      tone: "bad",
      title: `Damaged backup: ${count(stored.damage.length)} of ${files}`,
      sentence: "It does not hold what was copied. Use another backup if there is one; see below for what can be recovered from this one.",
    };
  }
  const { totals } = seen;
  const redis = hasRedis(seen);
  if (seen.verdict !== "clean") {
    const [had, them] = redis ? ["the streams had", "them"] : ["the log had", "it"];
    return {
      tone: "mend",
      title: `Intact backup: ${had} ${plural(totals.anomalies, "anomaly", "anomalies")}`,
      sentence: `${files} as written, byte for byte. The damage was there when ${redis ? "they were" : "the log was"} copied: recover after restoring ${them}.`,
    };
  }
  const things = redis ? every(totals.lines, "entry", "entries") : every(totals.lines, "line");
  return {
    tone: "good",
    title: "Verified backup",
    sentence: `${files} as written, byte for byte${totals.lines > 0 ? `, and ${things} is an intact record` : ""}.`,
  };
}

export function ofReport(seen: Report, looks: string | null): Verdict {
  const { totals } = seen;
  const records = recordTotal(totals.records);
  if (hasRedis(seen)) return ofRedis(seen);
  if (seen.verdict === "clean") {
    if (records === 0) {
      return { tone: "calm", title: "Empty log: 0 records", sentence: "There is nothing wrong with it, and nothing in it." };
    }
    if (records === totals.records.other) {
      return {
        tone: "calm",
        title: "Intact, but no Papyra records",
        sentence: `${plural(totals.lines, "line")} of JSON, and not one an event, an audit or a dead letter. Is this the right file?`,
      };
    }
    return { tone: "good", title: "Valid backup", sentence: `${capital(every(totals.lines, "line"))} is an intact record.` };
  }
  const wrong = plural(totals.anomalies, "anomaly", "anomalies");
  if (looks !== null) {
    return { tone: "bad", title: "Not readable", sentence: `No line of it is a Papyra record. It looks like ${looks}.` };
  }
  if (records + totals.salvageable === 0) {
    return { tone: "bad", title: "Not readable", sentence: `Nothing intact was found: ${wrong}.` };
  }
  const gap = seen.files.some((file) => file.anomalies.some((anomaly) => anomaly.reason === "rotation_gap"));
  const saved = totals.salvageable > 0 ? ` and saves ${count(totals.salvageable)} more from damaged lines` : "";
  const missing = (gap ? " What a missing file held is not in this backup." : "") +
    (isCut(seen) ? " The compressed file cannot be unpacked past the damage: all that followed is lost with it." : "");
  return {
    tone: "mend",
    title: `Usable after recovery: ${wrong}`,
    sentence: `Recovery keeps ${records === 1 ? "the one intact record" : `all ${count(records)} intact records`}${saved}.${missing}`,
  };
}
