// Small things used all over: copy buttons, the toast, the live region.

import { announcement, toast } from "../state/session";
import { copy } from "../take/clipboard";
import { Copy } from "./icons";

export function CopyButton({ text, label, shown, class: name = "button quiet small" }: { text: string; label: string; shown?: string; class?: string }) {
  return (
    <button type="button" class={name} onClick={() => copy(text, label)}>
      <Copy size={16} /> {shown ?? <>Copy<span class="unseen"> {label}</span></>}
    </button>
  );
}

/** A value that copies itself when clicked. */
export function CopyValue({ text, label, shown }: { text: string; label: string; shown: string }) {
  return (
    <button type="button" class="copy-value mono" title={`Copy ${label}`} onClick={() => copy(text, label)}>
      <span class="unseen">Copy {label} </span>{shown}
    </button>
  );
}

export function Toast() {
  return <div class={toast.value === "" ? "toast" : "toast up"} aria-hidden="true">{toast.value}</div>;
}

export function Announcer() {
  return <div class="unseen" role="status" aria-live="polite">{announcement.value}</div>;
}
