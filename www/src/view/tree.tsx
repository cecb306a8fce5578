// What was opened, when it is more than one thing: each folder, backup and archive with its verdict, to choose from.

import { count, plural } from "../text/numbers";
import { visible } from "../text/escape";
import { type Item, at, isBusy, items, leftOut, show } from "../state/workspace";
import { choices, comparing } from "../state/compare";
import { Check, Cross, Dots, Mend } from "./icons";
import { CompareButton } from "./compare";

const ICONS = { good: Check, mend: Mend, bad: Cross, calm: Dots } as const;

export function Tree() {
  const list = items.value;
  if (list.length < 2) return null;
  const over = list.filter(({ state }) => state === "over").length;
  return (
    <nav class="tree card" aria-labelledby="tree-title">
      <h2 id="tree-title">Opened <span class="faint">{isBusy.value ? `${count(over)} of ${count(list.length)} read` : plural(list.length, "part")}</span></h2>
      <ul>
        {list.map((item, index) => <li key={index}><Entry item={item} index={index} /></li>)}
      </ul>
      {choices.value.length > 1 && <CompareButton />}
      {leftOut.value.length > 0 && (
        <details class="faint">
          <summary>{plural(leftOut.value.length, "part")} without logs</summary>
          <ul>{leftOut.value.map(({ path, reason }) => <li key={path}><span class="mono">{visible(path)}</span>: {visible(reason)}</li>)}</ul>
        </details>
      )}
    </nav>
  );
}

/** A name without the folder that all that was opened lies in. */
function within(name: string): string {
  const top = name.slice(0, name.indexOf("/") + 1);
  const isShared = top !== "" && items.value.every(({ unit }) => unit.name.startsWith(top) || `${unit.name}/` === top);
  return isShared ? name.slice(top.length) : name;
}

function Entry({ item, index }: { item: Item; index: number }) {
  const Picture = ICONS[item.tone];
  const name = item.unit.name === "" ? item.unit.files.map(({ path }) => path).slice(0, 3).join(", ") : within(item.unit.name);
  const last = name.lastIndexOf("/") + 1;
  return (
    <button type="button" class={`tree-entry ${item.tone}`} aria-current={index === at.value && !comparing.value ? "true" : undefined} disabled={isBusy.value} onClick={() => {
      comparing.value = false;
      show(index);
    }}>
      <span class="tree-icon"><Picture size={18} /></span>
      <span class="tree-name mono" title={visible(name)}>{last > 0 && <span>{visible(name.slice(0, last))}</span>}<span>{visible(name.slice(last))}</span></span>
      <span class="tree-says faint">
        {item.state === "waiting" ? "waiting" : item.state === "reading" ? "reading…" : item.says}
        {item.state === "over" && item.records > 0 && ` · ${plural(item.records, "record")}`}
      </span>
    </button>
  );
}
