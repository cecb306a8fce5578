// Nothing opened yet: what this is, and every way to open something.

import { openSample } from "../state/actions";
import { deepLink } from "../state/address";
import { dialog, engineState, trouble } from "../state/session";
import { visible } from "../text/escape";
import { Flask, Paste } from "./icons";
import { ChooseFiles, ChooseFolder, take } from "./pick";

export function Empty() {
  const link = deepLink.value;
  return (
    <div class="empty">
      <h1>Is this backup intact?</h1>
      <p class="lead">
        Open a Papyra log or a Redis backup and see within seconds whether it is intact, what exactly is damaged, and what recovery would keep.
      </p>
      {trouble.value !== null && (
        <p class="hint warn" role="alert"><b>{trouble.value.title}</b> {trouble.value.text}</p>
      )}
      {link !== null && (
        <p class="hint" role="status">
          The link points to byte {link.offset} of <b class="mono">{visible(link.file)}</b>. Open that file to go there.
        </p>
      )}
      <div class="dropzone">
        <label class="drop-label">
          <DropDrawing />
          <span class="drop-title">Drop files or a folder anywhere on this page</span>
          <span class="faint">events.ndjson · rotation sets in any order · backups · .gz, .zst, .tar and .zip as they are</span>
          <span class="faint">Redis: dump.rdb · DUMP payloads · append-only files and folders</span>
          <input type="file" multiple onChange={(event) => take(event.currentTarget)} />
        </label>
        <div class="drop-buttons">
          <ChooseFiles class="button primary" />
          <ChooseFolder class="button" />
          <button type="button" class="button" onClick={() => (dialog.value = "paste")}><Paste /> Paste text</button>
        </div>
      </div>
      <p class="try">
        <Flask size={18} /> Nothing at hand?{" "}
        <button type="button" class="link" disabled={engineState.value !== "ready"} onClick={openSample}>Open a damaged sample</button>
      </p>
      <ul class="promises">
        <li><b>Nothing is sent.</b> Files are read on this computer, and the page's own policy forbids network requests.</li>
        <li><b>The same verdict.</b> The scanner of <code>papyra persistence scan</code>, its report to the byte.</li>
        <li><b>Any size.</b> Files are read in slices; ten gigabytes take no more memory than ten kilobytes.</li>
      </ul>
    </div>
  );
}

function DropDrawing() {
  return (
    <svg class="drop-drawing" width="120" height="72" viewBox="0 0 120 72" fill="none" aria-hidden="true" focusable="false">
      <rect class="sheet back" x="18" y="14" width="40" height="50" rx="5" transform="rotate(-8 38 39)" />
      <rect class="sheet back" x="62" y="14" width="40" height="50" rx="5" transform="rotate(8 82 39)" />
      <rect class="sheet" x="38" y="8" width="44" height="56" rx="5" />
      <path class="sheet-lines" d="M46 20h28M46 28h28M46 36h20M46 44h28M46 52h12" />
      <circle class="sheet-dot" cx="72" cy="36" r="3" />
    </svg>
  );
}
