// The verdict card: icon, headline, sentence, and the facts beside it.

import { elapsed, looksLike, phase, progress, report, sources, timeline } from "../state/session";
import { type RecordCounts, recordTotal } from "../../../web/package/src/report";
import { hasRedis } from "../state/redis-verdict";
import type { Tone } from "../state/tone";
import { verdict } from "../state/verdict";
import { count, duration, exactSize, plural, speed, timeSpan } from "../text/numbers";
import { kindName } from "../text/words";
import { openAgain, scanLogsAlone } from "../state/actions";
import { Change, Check, Cross, Dots, Mend, Pause } from "./icons";
import { Advice } from "./advice";

const ICONS = { good: Check, mend: Mend, bad: Cross, calm: Dots } satisfies Record<Tone, unknown>;

export function VerdictCard() {
  const { tone, title, sentence } = verdict();
  const now = phase.value;
  const Picture = now === "cancelled" ? Pause : now === "changed" ? Change : ICONS[tone];
  const seen = report.value;
  return (
    <section class={`card verdict ${tone}`} aria-labelledby="verdict-title">
      <div class="verdict-words">
        <span class="verdict-icon"><Picture size={30} /></span>
        <div>
          <h1 id="verdict-title" tabIndex={-1}>{unbroken(title)}</h1>
          <p class="verdict-sentence">{sentence}</p>
          {now === "done" && looksLike.value !== null && <Advice looks={looksLike.value} />}
          {(now === "changed" || now === "cancelled" || now === "failed") && (
            <p class="verdict-again"><button type="button" class="button" onClick={openAgain}>Read it again</button></p>
          )}
          {now === "refused" && (
            <p class="verdict-again"><button type="button" class="button" onClick={scanLogsAlone}>Scan its logs alone</button></p>
          )}
        </div>
      </div>
      {seen !== null && now !== "changed" && now !== "failed" && (
        <div class="verdict-facts">
          <Kinds counts={seen.totals.records} />
          <dl class="facts">
            <div>
              <dt>Size</dt>
              <dd>{exactSize(now === "cancelled" ? progress.value.bytes : seen.totals.bytes)}</dd>
            </div>
            <div>
              <dt>{hasRedis(seen) ? (seen.backend === "redis" ? "Entries" : "Entries and lines") : "Lines"}</dt>
              <dd>{count(seen.totals.lines)}{sources.value.length > 1 ? ` in ${plural(seen.totals.files, "file")}` : ""}</dd>
            </div>
            <div>
              <dt>Scanned in</dt>
              <dd>{elapsed.value < 1 ? `${Math.max(1, Math.round(elapsed.value * 1000))} ms` : duration(elapsed.value)}
                {progress.value.bytes > 1e7 && elapsed.value > 0 && <small>{speed(progress.value.bytes / elapsed.value)}</small>}
              </dd>
            </div>
            <Span first={timeline.value?.span?.[0] ?? seen.totals.first_timestamp} last={timeline.value?.span?.[1] ?? seen.totals.last_timestamp} />
          </dl>
        </div>
      )}
    </section>
  );
}

const LONG = 20;

/** Breaks behind the colon, if anywhere; a long tail breaks where it must. */
function unbroken(title: string) {
  const [head, tail] = title.split(": ", 2);
  return tail === undefined || tail.length > LONG ? title : <><span class="nowrap">{head}:</span> <span class="nowrap">{tail}</span></>;
}

function Span({ first, last }: { first: number | null; last: number | null }) {
  const { title, ends } = timeSpan(first, last);
  return (
    <div class="span">
      <dt>Time span</dt>
      <dd>{title}{ends !== "" && <small>{ends}</small>}</dd>
    </div>
  );
}

/** Records by kind: a bar in proportion and the numbers. */
function Kinds({ counts }: { counts: RecordCounts }) {
  const total = recordTotal(counts);
  if (total === 0) return null;
  const kinds = (["event", "dead_letter", "audit", "other"] as const).filter((kind) => (counts[kind]) > 0);
  return (
    <div class="kinds">
      <p class="kinds-total"><b>{count(total)}</b> intact {total === 1 ? "record" : "records"}</p>
      <div class="kinds-bar" aria-hidden="true">
        {kinds.map((kind) => <span key={kind} class={`kind-fill ${kind}`} style={{ flexGrow: counts[kind] }} />)}
      </div>
      <ul class="kinds-list">
        {kinds.map((kind) => (
          <li key={kind}><span class={`swatch ${kind}`} aria-hidden="true" />{count(counts[kind])} {kindName(kind, counts[kind] !== 1)}</li>
        ))}
      </ul>
    </div>
  );
}
