// Single-key shortcuts. They rest while someone types, and can be switched off altogether.

import { cancel, step } from "./actions";
import { dialog, logs, phase, singleKeys } from "./session";

export const KEYS: readonly [string, string][] = [
  ["n", "next anomaly"],
  ["p", "previous anomaly"],
  ["/", "filter the records"],
  ["g", "go to a line or a byte"],
  ["?", "this help"],
  ["Esc", "cancel reading, close a dialog"],
];

export function listen(): void {
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") {
      if (dialog.value === "none") cancel();
      return;
    }
    if (!singleKeys.value || dialog.value !== "none" || isTyping(event.target)) return;
    if (act(event.key)) event.preventDefault();
  });
}

function act(key: string): boolean {
  switch (key) {
    case "n":
      step(1);
      return true;
    case "p":
      step(-1);
      return true;
    case "/": {
      const box = document.getElementById("record-filter");
      box?.focus();
      box?.scrollIntoView({ block: "center" });
      return box !== null;
    }
    case "g":
      if (phase.value !== "done" && phase.value !== "cancelled" || logs.value === 0) return false;
      dialog.value = "goto";
      return true;
    case "?":
      dialog.value = "help";
      return true;
    default:
      return false;
  }
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && target.type !== "file" && target.type !== "checkbox");
}
