// Fails when a wasm module asks its host for anything but what wasm-bindgen put there: an import from `env`
// or `wasi_…` means that code below tried to reach a clock, a file or a C library.
import { readFileSync } from "node:fs";

const path = process.argv[2];
const module = new WebAssembly.Module(readFileSync(path));
const foreign = WebAssembly.Module.imports(module).filter((entry) => !entry.module.startsWith("__wbindgen"));
if (foreign.length > 0) {
  console.error(`${path} imports from its host:`);
  for (const entry of foreign) console.error(`  ${entry.module}.${entry.name}`);
  process.exit(1);
}
