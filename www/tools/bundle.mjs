// Builds the page into one file: styles, script, worker and wasm modules inside, and a policy that names each by its hash.
//
// The order in the file matters: the script runs and paints before the parser has reached the engine's megabyte; and
// the module that every scan needs comes last, so that a file that was cut off is found out at once.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const www = dirname(dirname(fileURLToPath(import.meta.url)));
const version = JSON.parse(readFileSync(join(www, "package.json"), "utf8")).version;

/** One entry as a single classic script (and its styles, if it has any). */
async function bundle(entry) {
  const result = await build({
    root: www,
    configFile: join(www, "vite.config.ts"),
    logLevel: "warn",
    define: { "process.env.NODE_ENV": '"production"', __VERSION__: JSON.stringify(version) },
    build: { write: false, lib: { entry: join(www, entry), formats: ["iife"], name: "papyraInspector" } },
  });
  const output = (Array.isArray(result) ? result[0] : result).output;
  const text = (pick) => output.filter(pick).map((file) => (file.type === "chunk" ? file.code : String(file.source))).join("\n");
  return { script: text((file) => file.type === "chunk"), style: text((file) => file.fileName.endsWith(".css")) };
}

const hash = (text) => `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;
const packed = (bytes) => gzipSync(bytes, { level: 9 }).toString("base64");
// Inside <script> only a closing tag or a comment could end the text early.
const embed = (script) => script.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");

const [page, worker] = [await bundle("src/main.tsx"), await bundle("src/engine/worker.ts")];
const [judge, explore] = ["judge", "explore"].map((name) => readFileSync(join(www, "..", "web", "pkg", name, "papyra_web_bg.wasm")));
const script = embed(page.script);
const style = page.style.trim();

const policy = [
  "default-src 'none'",
  `script-src ${hash(script)} 'wasm-unsafe-eval'`,
  `style-src ${hash(style)}`,
  "worker-src blob:",
  "connect-src 'none'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types papyra-worker",
].join("; ");

const parts = {
  csp: `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
  style: `<style>${style}</style>`,
  script: `<script>${script}</script>`,
  engine: `<script type="text/plain" id="explore">${packed(explore)}</script>
    <script type="text/plain" id="worker">${packed(embed(worker.script))}</script>
    <script type="text/plain" id="judge">${packed(judge)}</script>`,
};
const html = readFileSync(join(www, "index.html"), "utf8").replace(/<!--(csp|style|script|engine)-->/g, (_, name) => parts[name]);
mkdirSync(join(www, "dist"), { recursive: true });
writeFileSync(join(www, "dist", "papyra-inspector.html"), html);

const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
const size = (text) => kib(gzipSync(text, { level: 9 }).length);
console.log(`script ${size(script)}, style ${size(style)}, worker ${size(worker.script)}, modules: judge ${size(judge)}, explore ${size(explore)}, compressed (${kib(judge.length)} and ${kib(explore.length)} plain)`);

// Every visitor waits for it; the other one is loaded when it is asked for.
const most = 300 * 1024;
if (gzipSync(judge, { level: 9 }).length > most) {
  console.error(`the module judge has more than ${kib(most)} compressed: see what became larger, or move what no scan needs to explore`);
  process.exit(1);
}
