// One Chromium for all tests, the page in both ways of opening it, and the helpers that make tests read as sentences.

import { spawnSync } from "node:child_process";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, "..", "..");
export const pageFile = join(root, "www", "dist", "papyra-inspector.html");

const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

export const executable = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

export function launch(more = []) {
  return chromium.launch({ executablePath: executable, headless: true, args: [...ARGS, ...more] });
}

export function fileUrl(fragment = "") {
  return pathToFileURL(pageFile).href + fragment;
}

/** Serves the one file as any web server would; resolves with its address and a way to stop. */
export function serve() {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    createReadStream(pageFile).pipe(response);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve({ url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close() }));
  });
}

/** So many milliseconds are waited for anything: a busy machine takes its time, and what hangs is found all the same. */
export const PATIENCE = 600_000;

/** A context or a page that waits so long. */
export function patient(one) {
  one.setDefaultTimeout(PATIENCE);
  return one;
}

/** Opens the page and notes every request, console error and policy violation of its life. */
export async function openPage(browser, url = fileUrl(), options = {}) {
  const context = patient(await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options }));
  const page = await context.newPage();
  const log = { requests: [], errors: [] };
  page.on("request", (request) => log.requests.push(request.url()));
  page.on("console", (message) => message.type() === "error" && log.errors.push(message.text()));
  page.on("pageerror", (error) => log.errors.push(String(error)));
  await page.goto(url);
  return { page, log, close: () => context.close() };
}

/** Chooses files with the ordinary button, as a user does. */
export async function choose(page, ...paths) {
  await page.locator("main input[type=file], header input[type=file]").first().setInputFiles(paths);
}

/** Holds the reading of each file when so many bytes of it have come, however fast the machine is. Before anything is chosen. */
export async function hold(page, bytes) {
  await page.evaluate((bytes) => {
    const stream = Blob.prototype.stream;
    const hold = (globalThis.hold = { isReached: false });
    const over = new Promise((resolve) => (hold.release = resolve));
    Blob.prototype.stream = function () {
      const own = stream.call(this);
      const getReader = own.getReader.bind(own);
      own.getReader = (options) => {
        const reader = getReader(options);
        const read = reader.read.bind(reader);
        let come = 0;
        reader.read = async (...wanted) => {
          if (come >= bytes) {
            hold.isReached = true;
            await over;
          }
          const part = await read(...wanted);
          come += part.value?.byteLength ?? 0;
          return part;
        };
        return reader;
      };
      return own;
    };
  }, bytes);
  return {
    reached: () => page.waitForFunction(() => globalThis.hold.isReached),
    release: () => page.evaluate(() => globalThis.hold.release()),
  };
}

export async function settled(page) {
  await page.locator("#verdict-title").waitFor();
  return page.locator("#verdict-title").innerText();
}

/** Waits for this verdict, where another one may still be shown. */
export const shows = (page, title) => page.locator("#verdict-title").filter({ hasText: title }).waitFor();

/** Waits until all that was opened has been read, not only its first part. */
export async function overall(page) {
  await page.locator("#verdict-title").waitFor();
  await page.waitForFunction(() => document.querySelector(".reading") === null && document.querySelector(".tree-entry:disabled") === null);
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What a reader who cannot see, or not well, would stumble over. */
export async function axeFinds(page) {
  await page.evaluate(axe);
  const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, { runOnly: rules }), runOnly);
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`);
}

/** The command to compare with; without it, unless everything must be tested, what needs it is left out and says so. */
export const papyra = [process.env.PAPYRA_BIN, join(root, "target/debug/papyra"), join(root, "target/release/papyra")].find((path) => path && existsSync(path));
export const withoutPapyra = papyra === undefined && process.env.PAPYRA_TEST_REQUIRE_ALL === undefined && "no papyra binary: run cargo build";

export function run(...args) {
  const result = spawnSync(papyra, args, { encoding: "utf8", maxBuffer: 1 << 28 });
  return { code: result.status, out: result.stdout, errors: result.stderr };
}
