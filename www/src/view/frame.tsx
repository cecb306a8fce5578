// Head and foot of the page.

import { phase, dialog, title, totalBytes } from "../state/session";
import { verdict } from "../state/verdict";
import { size } from "../text/numbers";
import { visible } from "../text/escape";
import { Lock, Mark, Question } from "./icons";
import { ChooseFiles, ChooseFolder } from "./pick";

export function Header() {
  const open = phase.value !== "empty";
  return (
    <header class="head">
      <div class="head-inner">
        <div class="brand">
          <Mark />
          <span>Papyra <b>Inspector</b></span>
        </div>
        {open && (
          <p class="opened" title={visible(title.value)}>
            <span class="mono">{visible(title.value)}</span>
            <span class="faint">{size(totalBytes.value)}</span>
          </p>
        )}
        {open && phase.value !== "reading" && <HeadVerdict />}
        <nav class="head-actions" aria-label="Open and help">
          {open && <ChooseFiles class="button quiet" />}
          {open && <ChooseFolder class="button quiet wide-only" />}
          <button type="button" class="button quiet square" aria-label="Keyboard and help" title="Keyboard and help (?)"
            onClick={() => (dialog.value = "help")}>
            <Question />
          </button>
        </nav>
      </div>
    </header>
  );
}

/** The verdict stays in sight while one scrolls. */
function HeadVerdict() {
  const { tone, title: words } = verdict();
  return <p class={`head-verdict ${tone}`}>{words}</p>;
}

export function Footer() {
  return (
    <footer class="foot">
      <p>
        <Lock size={16} /> Files are read on this computer. This page's security policy blocks network requests.{" "}
        <button type="button" class="link" onClick={() => (dialog.value = "privacy")}>How to check</button>
      </p>
      <p class="faint">papyra {__VERSION__}</p>
    </footer>
  );
}
