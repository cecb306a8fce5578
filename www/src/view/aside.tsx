// What lies beside the logs and was not read, with the reason: nothing is left out in silence.

import { aside, loaded, phase, unitName } from "../state/session";
import { items } from "../state/workspace";
import { visible } from "../text/escape";
import { plural } from "../text/numbers";

const MOST = 50;

export function Aside() {
  // Folders and archives with logs in them are read by themselves: they stand in the list of what was opened.
  const isOpened = (path: string) => items.value.some(({ unit }) => `${unit.name}/`.startsWith(`${unitName.value}/${path}${path.endsWith("/") ? "" : "/"}`));
  const list = aside.value.filter(({ path }) => !isOpened(path));
  if (phase.value === "reading") return null;
  const note = loaded.value === null ? null : <p class="card aside">{visible(loaded.value)}</p>;
  if (list.length === 0) return note;
  return (
    <>
    {note}
    <section class="card aside" aria-labelledby="aside-title">
      <h2 id="aside-title">Not read <span class="faint">{plural(list.length, "name")}</span></h2>
      <ul>
        {list.slice(0, MOST).map(({ path, reason }) => (
          <li key={path}><span class="mono">{visible(path)}</span> <span class="faint">{path.endsWith("/") ? "a folder without logs" : visible(reason)}</span></li>
        ))}
      </ul>
      {list.length > MOST && <p class="faint">and {plural(list.length - MOST, "more")}: the JSON report has them all.</p>}
    </section>
    </>
  );
}
