// Copying text, and a passing word that it happened.

import { announcement, toast } from "../state/session";

let timer: ReturnType<typeof setTimeout> | undefined;

export async function copy(text: string, label: string): Promise<void> {
  const done = await write(text);
  say(done ? `Copied ${label}` : "The browser refused to copy; select the text instead");
}

/** A passing word, seen and spoken. */
export function say(message: string): void {
  toast.value = message;
  announcement.value = message;
  clearTimeout(timer);
  timer = setTimeout(() => (toast.value = ""), 1800);
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return byCommand(text);
  }
}

/** Under file:// some browsers give no clipboard object, but still obey the old command. */
function byCommand(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  const host = document.querySelector("dialog[open]") ?? document.body;
  host.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
