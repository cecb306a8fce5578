// The dialogs: help, how to check the privacy promise, paste, go to, and the question before a result is replaced.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { fromText } from "../read/gather";
import { keepResult, open, replaceWithWaiting } from "../state/actions";
import { KEYS } from "../state/keys";
import { dialog, logs, singleKeys, sources, waiting } from "../state/session";
import { goToLine, goToOffset } from "../state/goto";
import { listingOf } from "../state/table";
import { plural } from "../text/numbers";
import { visible } from "../text/escape";

export function Dialogs() {
  switch (dialog.value) {
    case "help":
      return <Help />;
    case "query":
      return <HowToFilter />;
    case "privacy":
      return <Privacy />;
    case "paste":
      return <PasteText />;
    case "goto":
      return <GoTo />;
    case "replace":
      return <Replace />;
    case "none":
      return null;
  }
}

const close = () => (dialog.value = "none");

function Modal({ title, children, onClose = close }: { title: string; children: ComponentChildren; onClose?: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={box} aria-labelledby="dialog-title" onClose={onClose} onClick={(event) => event.target === box.current && onClose()}>
      <div class="dialog-inner">
        <h2 id="dialog-title">{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

function Help() {
  return (
    <Modal title="Keyboard">
      <dl class="keys-list">
        {KEYS.map(([key, meaning]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{meaning}</dd></div>)}
      </dl>
      <label class="check">
        <input type="checkbox" checked={singleKeys.value} onChange={(event) => (singleKeys.value = event.currentTarget.checked)} /> Single-key shortcuts
      </label>
      <p class="faint">Drop or paste files anywhere, whatever is on screen.</p>
      <div class="dialog-buttons"><button type="button" class="button primary" onClick={close}>Close</button></div>
    </Modal>
  );
}

const QUERIES: readonly [string, string][] = [
  ["timeout", "a word anywhere in the line; several must all be there"],
  ['"two words"', "words that stand together"],
  ["/time.?out/i", "a regular expression; i: in any case"],
  ["kind:event,audit", "kinds: event, audit, dead_letter, other"],
  ["type:crash", "the event's or the message's type contains it"],
  ['actor:"local:7"', "the actor, or a dead letter's target, is exactly this"],
  ["payload.order:17", "a field of the record, by its path; also >17, <=17, 10..20"],
  ["time:>2026-01-01T10:00", "times in UTC, or seconds as they stand in the log; FROM..TO"],
  ["line:100..200", "lines by their number in the file"],
  ["is:damaged", "lines that are not intact records"],
  ["-type:started", "a minus before any of these: not"],
];

function HowToFilter() {
  return (
    <Modal title="How to filter">
      <dl class="keys-list queries">
        {QUERIES.map(([text, meaning]) => <div key={text}><dt><code>{text}</code></dt><dd>{meaning}</dd></div>)}
      </dl>
      <p class="faint">The filter applies to the table, the history and the ranking; one with a time to the anomalies too. It stands in the address: copy that to share it.</p>
      <div class="dialog-buttons"><button type="button" class="button primary" onClick={close}>Close</button></div>
    </Modal>
  );
}

function Privacy() {
  return (
    <Modal title="How to check that nothing is sent">
      <ol class="steps">
        <li>Disconnect this computer from the network. The page goes on working.</li>
        <li>Or open the developer tools (F12), tab <b>Network</b>, and open a file: the list stays empty.</li>
        <li>Or look at the page's source: the first lines hold its Content-Security-Policy. <code>connect-src 'none'</code> makes
          the browser itself refuse every request, and each script is named by its hash.</li>
      </ol>
      <p>The page is one file. Save it, carry it to a machine without a network, and open it there.</p>
      <div class="dialog-buttons"><button type="button" class="button primary" onClick={close}>Close</button></div>
    </Modal>
  );
}

function PasteText() {
  const [text, setText] = useState("");
  const go = (event: Event) => {
    event.preventDefault();
    close();
    if (text !== "") void open(fromText(text));
  };
  return (
    <Modal title="Paste lines of a log">
      <form onSubmit={go}>
        <label class="field">
          <span>One JSON record a line</span>
          <textarea rows={8} spellcheck={false} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={close}>Cancel</button>
          <button type="submit" class="button primary" disabled={text === ""}>Check</button>
        </div>
      </form>
    </Modal>
  );
}

function GoTo() {
  const [where, setWhere] = useState("");
  const [file, setFile] = useState(0);
  const [error, setError] = useState("");
  const go = async (event: Event) => {
    event.preventDefault();
    const value = where.trim().replaceAll(",", "");
    const isOffset = /^(0x[0-9a-f]+|@\d+)$/i.test(value);
    const number = Number(value.replace("@", ""));
    if (!Number.isSafeInteger(number) || number < 0) return setError("Give a line number, or a byte offset such as @311 or 0x137.");
    const reached = isOffset ? await goToOffset(file, number) : await goToLine(file, number);
    if (reached) close();
    else if (isOffset && listingOf(file) !== undefined) setError("In a Redis file no line begins there: give a record's number.");
    else setError(isOffset ? "The file is not that long." : "There is no such line.");
  };
  return (
    <Modal title="Go to">
      <form onSubmit={go}>
        {logs.value > 1 && (
          <label class="field">
            <span>File</span>
            <select value={file} onChange={(event) => setFile(Number(event.currentTarget.value))}>
              {sources.value.slice(0, logs.value).map((source, index) => <option key={source.path} value={index}>{visible(source.path)}</option>)}
            </select>
          </label>
        )}
        <label class="field">
          <span>Line, or byte offset (<code>@311</code>, <code>0x137</code>)</span>
          <input type="text" inputMode="numeric" autocomplete="off" value={where} aria-invalid={error !== ""} aria-describedby="goto-error"
            onInput={(event) => setWhere(event.currentTarget.value)} />
        </label>
        <p id="goto-error" class="bad-text" role="alert">{error}</p>
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={close}>Cancel</button>
          <button type="submit" class="button primary">Go</button>
        </div>
      </form>
    </Modal>
  );
}

function Replace() {
  return (
    <Modal title={`Open ${plural(waiting.value.length, "file")} instead?`} onClose={keepResult}>
      <p>The scan that is running will be cancelled. The files themselves are not touched.</p>
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={keepResult}>Keep this</button>
        <button type="button" class="button primary" onClick={replaceWithWaiting}>Open</button>
      </div>
    </Modal>
  );
}
