// The package in a browser, and for bundlers: the module is fetched from beside this file.

import { provide } from "./scan.js";

provide(async () => {
  const response = await fetch(new URL("./judge/papyra_web_bg.wasm", import.meta.url));
  if (!response.ok) throw new Error(`${response.url} cannot be fetched: ${response.status}`);
  return response.arrayBuffer();
});

export { type Options, type Progress, ScanError, scan } from "./scan.js";
export * from "./report.js";
