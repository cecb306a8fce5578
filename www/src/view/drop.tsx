// Drop and paste anywhere on the page, in every state.

import { useEffect, useState } from "preact/hooks";
import { fromText, fromTransfer } from "../read/gather";
import { sourceOf } from "../read/source";
import { open } from "../state/actions";

export function DropVeil() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const enter = (event: DragEvent) => {
      event.preventDefault();
      depth += 1;
      setOver(true);
    };
    const leave = () => {
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const hover = (event: DragEvent) => {
      event.preventDefault();
      if (event.dataTransfer !== null) event.dataTransfer.dropEffect = "copy";
    };
    const drop = (event: DragEvent) => {
      event.preventDefault();
      depth = 0;
      setOver(false);
      if (event.dataTransfer === null) return;
      const text = event.dataTransfer.types.includes("Files") ? "" : event.dataTransfer.getData("text/plain");
      void open(text === "" ? fromTransfer(event.dataTransfer) : fromText(text));
    };
    const paste = (event: ClipboardEvent) => {
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
      const files = [...(event.clipboardData?.files ?? [])].map((file) => sourceOf(file));
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (files.length > 0) void open(files);
      else if (text !== "") void open(fromText(text));
    };
    window.addEventListener("dragenter", enter);
    window.addEventListener("dragleave", leave);
    window.addEventListener("dragover", hover);
    window.addEventListener("drop", drop);
    window.addEventListener("paste", paste);
    return () => {
      window.removeEventListener("dragenter", enter);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("dragover", hover);
      window.removeEventListener("drop", drop);
      window.removeEventListener("paste", paste);
    };
  }, []);
  return <div class={over ? "veil over" : "veil"} aria-hidden="true"><p>Drop to open</p></div>;
}
