// A backup beside its manifest: when and by whom it was made, what is not as written, and the command for the server.

import type { BackupTold, Damage } from "../engine/backup";
import { hasRedis } from "../state/redis-verdict";
import { backup, phase, report } from "../state/session";
import { quote } from "../take/command";
import { age, count, exactSize, hex, plural } from "../text/numbers";
import { visible } from "../text/escape";
import { CopyButton } from "./small";

export function Backup() {
  const told = backup.value;
  if (told === null || phase.value !== "done") return null;
  const seen = report.value;
  const command = restoreCommand(told, seen?.verdict === "clean", seen !== null && hasRedis(seen));
  return (
    <section class="card backup" aria-labelledby="backup-title">
      <h2 id="backup-title">Backup <span class="mono">{visible(told.name)}</span></h2>
      <p class="faint">
        Made <time dateTime={told.created} title={visible(told.created)}>{age(told.created)}</time> by {visible(told.madeBy)}{told.compression === "none" ? "" : `, stored as ${told.compression}`};{" "}
        {exactSize(told.bytes)} in {plural(told.files, "file")} compared with its manifest.
      </p>
      {told.damage.length > 0 && (
        <ul class="damage">
          {told.damage.map((damage) => <Damaged key={damage.file} damage={damage} />)}
        </ul>
      )}
      {told.foreign.length > 0 && (
        <p class="hint">
          Not part of this backup: {told.foreign.slice(0, MOST).map((path, at) => <span key={path}>{at > 0 && ", "}<span class="mono">{visible(path)}</span></span>)}
          {told.foreign.length > MOST && ` and ${count(told.foreign.length - MOST)} more`}
        </p>
      )}
      <div class="server">
        <p>{told.damage.length > 0 ? "To find other copies, on the server:" : "On the server:"}</p>
        <div class="command-row">
          <pre class="command" tabIndex={0}>{command}</pre>
          <CopyButton text={command} label="the command" class="button" />
        </div>
      </div>
    </section>
  );
}

/** More names would drown the page. */
const MOST = 20;

function Damaged({ damage: { file, detail, recovery, offset, length } }: { damage: Damage }) {
  return (
    <li>
      <b class="mono">{visible(file)}</b>
      <span class="bad-text">{sentence(detail)}</span>
      {offset !== null && length !== null && (
        <span>The first damage lies between byte {count(offset)} ({hex(offset)}) and byte {count(offset + length)} of its content.</span>
      )}
      <span>{sentence(recovery)}</span>
    </li>
  );
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

export function restoreCommand(told: BackupTold, clean: boolean, redis: boolean): string {
  const name = quote(told.name);
  if (told.damage.length > 0) return "papyra backup list .";
  // To the server that the settings name; nothing there is merged with or written over.
  if (redis) return `papyra backup restore ${name}`;
  const restore = `papyra backup restore ${name} --to restored/`;
  return clean ? restore : `${restore} && papyra persistence recover --path restored/`;
}
