// The package in Node: the module is read from beside this file.

import { readFile } from "node:fs/promises";
import { provide } from "./scan.js";

provide(() => readFile(new URL("./judge/papyra_web_bg.wasm", import.meta.url)));

export { type Options, type Progress, ScanError, scan } from "./scan.js";
export * from "./report.js";
