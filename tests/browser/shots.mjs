// Screenshots of each state in light and dark, on large screens and phones, and of the print style: to be looked at by someone.
// Names of states on the command line: these alone.

import { appendFileSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { choose, fileUrl, hold, launch, openPage, overall, settled } from "./browser.mjs";
import { backup, flip, forge } from "./backups.mjs";
import * as dumps from "./dumps.mjs";
import * as logs from "./logs.mjs";

const out = process.env.SHOTS ?? join(dirname(fileURLToPath(import.meta.url)), "shots");
mkdirSync(out, { recursive: true });
const browser = await launch();

const text = logs.lines(0, 60_000);
const long = logs.write("long/events.ndjson", text);
/** Chooses a log of which 40 % are read, and no more until it is let go. */
const begin = async (page, path = long) => {
  const held = await hold(page, 0.4 * text.length);
  await choose(page, path);
  await held.reached();
  return held;
};

const whole = backup({ rejects: true });
const damaged = backup({ compress: "zstd" });
flip(join(damaged, "rot.log.1.zst"));
const flipped = backup({ damaged: true });
flip(join(flipped, "rot.log"));
const forged = backup();
forge(forged, (manifest) => (manifest.files[0].path = manifest.files[0].stored = "../rot.log.2"));
const openFolder = (page, folder) => page.locator("main input[webkitdirectory]").setInputFiles(folder);

const states = {
  backup: (page) => openFolder(page, whole),
  "backup-damaged": (page) => openFolder(page, damaged),
  "backup-flipped": (page) => openFolder(page, flipped),
  "backup-refused": (page) => openFolder(page, forged),
  changed: async (page) => {
    const path = logs.write("changed/events.ndjson", text);
    const held = await begin(page, path);
    appendFileSync(path, logs.event(1));
    await held.release();
  },
  failed: async (page) => {
    const held = await begin(page);
    await page.workers()[0].evaluate(() => setTimeout(() => { throw new Error("out of memory"); }));
    await held.release();
  },
  empty: async () => undefined,
  help: (page) => page.keyboard.press("?"),
  sample: (page) => page.getByRole("button", { name: "Open a damaged sample" }).click(),
  clean: (page) => choose(page, logs.clean()),
  set: (page) => choose(page, ...logs.rotation().filter((path) => !path.endsWith(".1"))),
  picture: (page) => choose(page, logs.picture()),
  nothing: (page) => choose(page, logs.empty()),
  many: (page) => choose(page, logs.manyAnomalies()),
  nasty: (page) => choose(page, logs.nasty()),
  filtered: async (page) => {
    await choose(page, logs.clean());
    await settled(page);
    await page.locator("#record-filter").fill("crashed");
    await page.getByText(/hits$/).waitFor();
  },
  hex: async (page) => {
    await choose(page, logs.glued());
    await settled(page);
    await page.getByRole("button", { name: "Hex", exact: true }).click();
  },
  dump: (page) => choose(page, dumps.dump()),
  "dump-valkey": (page) => choose(page, dumps.valkey()),
  "dump-cut": (page) => choose(page, dumps.dumpCut()),
  "dump-unknown": (page) => choose(page, dumps.dumpUnknown()),
  "append-only": (page) => choose(page, ...dumps.folder({ damaged: true })),
  "dump-and-log": (page) => choose(page, ...dumps.besideALog()),
  backups: async (page) => {
    await openFolder(page, join(whole, "..", "..", ".."));
    await overall(page);
  },
  record: async (page) => {
    await choose(page, logs.glued());
    await settled(page);
    await page.locator(".table-row", { hasText: "ActorCrashed" }).first().click();
    await page.locator(".record-panel .json").waitFor();
  },
  compare: async (page) => {
    const edited = `${logs.lines(0, 40)}${logs.lines(41, 60)}${logs.lines(900, 901)}${logs.lines(61, 80)}${logs.lines(70, 71)}${logs.lines(80, 120)}`;
    await choose(page, logs.write("compare/before.ndjson", logs.lines(0, 100)), logs.write("compare/after.ndjson", edited));
    await settled(page);
    await page.getByRole("button", { name: "Compare two" }).click();
    await page.getByRole("button", { name: "Compare", exact: true }).click();
    await page.locator(".change-record").first().waitFor();
  },
  reading: begin,
  cancelled: async (page) => {
    await begin(page);
    await page.keyboard.press("Escape");
  },
};
const sizes = Object.fromEntries([[2560, 1440], [1440, 900], [1024, 768], [390, 844], [320, 700]].map(([width, height]) => [width, { width, height }]));
const asked = process.argv.slice(2);

for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries(sizes)) {
    for (const [name, act] of Object.entries(states)) {
      if (asked.length > 0 && !asked.includes(name)) continue;
      const { page, close } = await openPage(browser, fileUrl(), { colorScheme, viewport });
      await page.locator("h1").waitFor();
      await page.waitForTimeout(300);
      await act(page);
      if (!["empty", "help", "reading", "compare"].includes(name)) await settled(page);
      await page.waitForTimeout(500);
      await page.screenshot({ path: join(out, `${name}-${size}-${colorScheme}.png`), fullPage: name !== "help" });
      await close();
    }
  }
}

for (const colorScheme of asked.length > 0 ? [] : ["light", "dark"]) {
  const context = await browser.newContext({ colorScheme });
  await context.addInitScript("delete globalThis.WebAssembly");
  const page = await context.newPage();
  await page.goto(fileUrl());
  await page.getByRole("alert").waitFor();
  await page.screenshot({ path: join(out, `refused-wide-${colorScheme}.png`) });
  await context.close();
}

if (asked.length === 0) {
  const { page, close } = await openPage(browser);
  await choose(page, ...logs.rotation());
  await settled(page);
  await page.waitForTimeout(500);
  await page.emulateMedia({ media: "print" });
  await page.screenshot({ path: join(out, "print.png"), fullPage: true });
  await page.emulateMedia({ media: "screen", forcedColors: "active" });
  await page.screenshot({ path: join(out, "forced-colors.png"), fullPage: true });
  await close();
}
await browser.close();
rmSync(logs.folder, { recursive: true, force: true });
console.log(out);
