// The file buttons: ordinary inputs inside labels, so that keyboard and screen reader reach them.

import { open } from "../state/actions";
import { fromPicker } from "../read/gather";
import { Folder, Open } from "./icons";

export function ChooseFiles({ class: name }: { class: string }) {
  return (
    <label class={`${name} file-button`}>
      <Open /> <span>Choose files</span>
      <input type="file" multiple onChange={(event) => take(event.currentTarget)} />
    </label>
  );
}

export function ChooseFolder({ class: name }: { class: string }) {
  return (
    <label class={`${name} file-button`}>
      <Folder /> <span>Choose folder</span>
      <input type="file" multiple ref={asFolder} onChange={(event) => take(event.currentTarget)} />
    </label>
  );
}

function asFolder(input: HTMLInputElement | null) {
  input?.setAttribute("webkitdirectory", "");
}

export function take(input: HTMLInputElement) {
  if (input.files !== null && input.files.length > 0) void open(fromPicker(input.files));
  // The same file may be chosen again.
  input.value = "";
}
