// The page as a whole: which parts stand in which state.

import { useEffect, useState } from "preact/hooks";
import { engineState, engineTrouble, looksLike, phase, title } from "../state/session";
import { verdict } from "../state/verdict";
import { Anomalies } from "./anomalies";
import { Backup } from "./backup";
import { Checked } from "./checked";
import { Compare } from "./compare";
import { Dialogs } from "./dialogs";
import { DropVeil } from "./drop";
import { Empty } from "./empty";
import { Failures } from "./failures";
import { Files } from "./files";
import { Footer, Header } from "./frame";
import { History } from "./history";
import { Printed } from "./printed";
import { Reading } from "./reading";
import { FilterBar, Records } from "./records";
import { Announcer, Toast } from "./small";
import { comparing } from "../state/compare";
import { items } from "../state/workspace";
import { open } from "../state/table";
import { Aside } from "./aside";
import { RecordPanel } from "./record";
import { Tree } from "./tree";
import { Streams } from "./streams";
import { TakeAway } from "./takeaway";
import { VerdictCard } from "./verdict";

export function App() {
  const now = phase.value;
  useEffect(() => {
    document.title = now === "empty" ? "Papyra Inspector" : `${verdict().title} · ${title.value} · Papyra Inspector`;
  }, [now, verdict().title, title.value]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to the verdict</a>
      <Header />
      <main id="main" tabIndex={-1}>
        {engineState.value === "refused" ? <Refused /> : now === "empty" ? <Empty /> : <Workspace />}
      </main>
      <Footer />
      <Dialogs />
      <DropVeil />
      <Toast />
      <Announcer />
    </>
  );
}

/** What was opened at the left when it is more than one thing, the result, and a record that is open at the right. */
function Workspace() {
  const name = `workspace${items.value.length > 1 ? " with-tree" : ""}${open.value && !comparing.value ? " with-record" : ""}`;
  return (
    <div class={name}>
      <Tree />
      <div class="result">{comparing.value ? <Compare /> : <Result />}</div>
      {!comparing.value && <RecordPanel />}
    </div>
  );
}

function Result() {
  const now = phase.value;
  const settled = now === "done" || now === "cancelled";
  const isLog = looksLike.value === null;
  const rest = useNextFrame(settled);
  return (
    <>
      {now === "reading" ? <Reading /> : <VerdictCard />}
      <Backup />
      {now === "done" && <TakeAway />}
      {now !== "refused" && <Files />}
      <Aside />
      {settled && <Streams />}
      <Anomalies />
      {rest && <FilterBar />}
      {rest && isLog && <History />}
      {rest && isLog && <Failures />}
      {rest && <Records />}
      {settled && <Checked />}
      <Printed />
    </>
  );
}

/** True from the frame after the one in which `now` became true: the verdict is on screen before the rest is drawn. */
function useNextFrame(now: boolean): boolean {
  const [drawn, setDrawn] = useState(false);
  useEffect(() => {
    if (!now) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const frame = requestAnimationFrame(() => (timer = setTimeout(() => setDrawn(true))));
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      setDrawn(false);
    };
  }, [now]);
  return now && drawn;
}

/** The engine would not start: say so, say why, say what works instead. Never a blank page. */
function Refused() {
  return (
    <section class="card refused" role="alert">
      <h1>This browser cannot run the inspector</h1>
      <p>{engineTrouble.value}</p>
      <p>It needs WebAssembly with SIMD and Web Workers: Chrome or Edge 111, Firefox 115, Safari 16.4, or newer.</p>
      <p>The command line does the same check:</p>
      <pre class="command">papyra persistence scan --path events.ndjson</pre>
    </section>
  );
}

/** A fragment link would replace a deep link in the address. */
function skip(event: Event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}
