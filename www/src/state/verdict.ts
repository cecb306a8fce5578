// The verdict: from what is known to one headline, one sentence, one tone.

import { type Report, recordTotal } from "../engine/report";
import { count, plural, size } from "../text/numbers";
import { looksLike, phase, type Phase, progress, report, trouble } from "./session";

export type Tone = "good" | "mend" | "bad" | "calm";

export interface Verdict {
  tone: Tone;
  title: string;
  sentence: string;
}

export function verdict(): Verdict {
  return judge(phase.value, report.value, looksLike.value);
}

function judge(now: Phase, seen: Report | null, looks: string | null): Verdict {
  switch (now) {
    case "reading":
      return { tone: "calm", title: "Reading…", sentence: "" };
    case "changed":
    case "failed":
      return {
        tone: now === "failed" ? "bad" : "mend",
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
      return seen === null ? { tone: "calm", title: "", sentence: "" } : ofReport(seen, looks);
  }
}

export function ofReport(seen: Report, looks: string | null): Verdict {
  const { totals } = seen;
  const records = recordTotal(totals.records);
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
    return { tone: "good", title: "Valid backup", sentence: `Every one of ${plural(totals.lines, "line")} is an intact record.` };
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
  const missing = gap ? " What a missing file held is not in this backup." : "";
  return {
    tone: "mend",
    title: `Usable after recovery: ${wrong}`,
    sentence: `Recovery keeps ${records === 1 ? "the one intact record" : `all ${count(records)} intact records`}${saved}.${missing}`,
  };
}
