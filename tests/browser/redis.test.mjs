// Redis backups in the page: what it says of each, the same report as the command line's, and how it behaves meanwhile.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { choose, fileUrl, hold, launch, openPage, root, settled } from "./browser.mjs";
import * as dumps from "./dumps.mjs";
import { folder } from "./logs.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const papyra = [process.env.PAPYRA_BIN, join(root, "target/debug/papyra"), join(root, "target/release/papyra")].find((path) => path && existsSync(path));
const missing = papyra === undefined && process.env.PAPYRA_TEST_REQUIRE_ALL === undefined;

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens files and hands over the settled page and its headline; nothing may have been requested or violated. */
async function opened(paths, check, { fragment = "", ...options } = {}) {
  const { page, log, close } = await openPage(browser, fileUrl(fragment), options);
  try {
    await choose(page, ...paths);
    const title = (await settled(page)).replace(/\s+/g, " ");
    await check(page, title);
    assert.deepEqual(log.errors, []);
    assert.deepEqual(log.requests.filter((request) => request !== fileUrl() && !request.startsWith("blob:")), []);
  } finally {
    await close();
  }
}

const report = async (page) => {
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "JSON report" }).click()]);
  return readFileSync(await file.path(), "utf8");
};

async function drop(page, ...paths) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) await session.send("Input.dispatchDragEvent", { type, x: 300, y: 400, data });
}

const command = (page) => page.locator(".take .command").first().innerText();

describe("what is said", () => {
  test("a dump: its checksum, its streams, its groups with what is pending, and each bad entry by stream, ID and byte", () =>
    opened([dumps.dump()], async (page, title) => {
      assert.equal(title, "Usable in part: 3 anomalies");
      const card = await page.locator(".streams").innerText();
      assert.match(card, /Redis RDB file, version 10\s+Checksum verified/);
      const events = (await page.getByRole("row", { name: /^orders events/ }).first().innerText()).replace(/\s+/g, " ");
      assert.match(events, /papyra:orders:events 2 entries are no record 302 .*1795383773758-1 302 1 2 45$/);
      const group = (await page.getByRole("row", { name: /shipping/ }).innerText()).replace(/\s+/g, " ");
      assert.match(group, /1795383773708-0 .*45 c1 15 c2 30/);
      await page.keyboard.press("n");
      const anomaly = (await page.locator(".anomaly").innerText()).replace(/\s+/g, " ");
      assert.match(anomaly, /papyra:orders:events .*1795383773758-0 .*13,553/);
      await page.locator(".hex").waitFor();
      assert.equal(await command(page), "papyra redis export --path dump.rdb --to exported-dump");
    }));

  test("a dump's records are looked through as a log's are: in the history, in the table, filtered by words and kind", () =>
    opened([dumps.dump()], async (page) => {
      await page.locator(".table-row .payload", { hasText: '"order"' }).first().waitFor();
      assert.equal(await page.locator(".table").getAttribute("aria-rowcount"), "374");
      assert.match(await page.locator(".chart").getAttribute("aria-label"), /^300 events, 43 dead letters, 100 crashes, 3 anomalies/);
      await page.keyboard.press("/");
      await page.keyboard.type("actorcrashed");
      await page.getByText("100 hits", { exact: true }).waitFor();
      await page.locator(".table-row").first().filter({ hasText: /event\s*ActorCrashed/ }).waitFor();
      await page.getByRole("searchbox").fill("");
      await page.getByRole("button", { name: "audits" }).click();
      await page.getByText("30 hits", { exact: true }).waitFor();
    }));

  test("the records of append-only files are left to an export, also where the file begins as a dump", () =>
    opened([dumps.afterADump()], async (page, title) => {
      // The commands add again what the dump holds already.
      assert.equal(title, "Usable in part: 381 anomalies");
      // The rest is drawn in the frame after the verdict's.
      await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(() => setTimeout(drawn, 50))))));
      assert.equal(await page.locator(".records, .history").count(), 0);
    }));

  test("a dump with a changed byte: the checksum tells", () =>
    opened([dumps.dumpFlipped()], async (page, title) => {
      assert.match(title, /^Usable in part: \d+ anomal/);
      assert.match(await page.locator(".streams .badge").innerText(), /Wrong checksum/);
      assert.match(await page.locator(".anomaly-list").innerText(), /Wrong checksum/);
    }));

  test("a dump cut short: the stream under way is said to be broken off", () =>
    opened([dumps.dumpCut()], async (page) => {
      assert.match(await page.locator(".streams").innerText(), /broken off: \d+ intact records before that/);
      await page.keyboard.press("n");
      assert.match(await page.locator(".anomaly").innerText(), /Cut short/);
    }));

  test("a dump without a checksum is not called verified", () =>
    opened([dumps.dumpUnchecked()], async (page) => assert.match(await page.locator(".badge").innerText(), /Not checksummed/)));

  test("a dump of an unknown version gets no verdict, and says which", () =>
    opened([dumps.dumpUnknown()], async (page, title) => {
      assert.equal(title, "Not readable: no verdict");
      assert.match(await page.locator(".verdict").innerText(), /dump\.rdb: at offset 0: version 99 of the Redis format is not known/);
    }));

  test("a DUMP payload is the stream that its name says", () =>
    opened([dumps.payload()], async (page, title) => {
      assert.equal(title, "Usable in part: 2 anomalies");
      assert.match(await page.locator(".streams").innerText(), /Redis DUMP payload, version 10\s+Checksum verified[^]*papyra:orders:events/);
    }));

  test("an append-only folder in any order is read in the manifest's", () =>
    opened(dumps.folder(), async (page, title) => {
      assert.match(title, /^Usable in part: 3 anomalies/);
      assert.deepEqual(await page.locator(".file-name .mono").allInnerTexts(), [
        "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]);
      assert.match(await page.locator(".files").innerText(), /as the manifest lists them/);
      assert.match(await page.locator(".streams").innerText(), /45/);
    }));

  test("an append-only file that ends in a command is recovered by the command line", () =>
    opened([dumps.commandsCut()], async (page, title) => {
      assert.match(title, /^Usable after recovery/);
      assert.match(await page.locator(".anomaly-list").innerText(), /Torn last/);
      assert.equal(await command(page), "papyra persistence recover --path appendonly.aof");
    }));

  test("names from a backup are text", () =>
    opened([dumps.nasty()], async (page) => {
      assert.equal(await page.locator("main script, main img").count(), 0);
      assert.doesNotMatch(await page.locator("main").innerText(), /\u202e/);
      assert.match(await page.locator(".streams").innerText(), /<img src=x onerror=alert\(1\)>/);
    }));

  test("a dump beside a log: both are judged, and each has its own way to be repaired", () =>
    opened(dumps.besideALog(), async (page, title) => {
      assert.equal(title, "Usable in part: 4 anomalies");
      await page.locator(".table-row .payload").first().waitFor();
      assert.deepEqual(await page.locator(".take .command").allInnerTexts(), [
        "papyra persistence recover --path events.ndjson", "papyra redis export --path dump.rdb --to exported-dump"]);
    }));
});

describe("against the command line", { skip: missing && "no papyra binary: run cargo build" }, () => {
  const scan = (path) => spawnSync(papyra, ["persistence", "scan", "--path", path, "--format", "json"], { encoding: "utf8", maxBuffer: 1 << 28 }).stdout;
  const cases = {
    dump: [dumps.dump()],
    "dump cut": [dumps.dumpCut()],
    "dump of Valkey": [dumps.valkey()],
    payload: [dumps.payload()],
    commands: [dumps.commands()],
    folder: dumps.folder(),
    "damaged folder": dumps.folder({ damaged: true, base: "redis/dump.rdb" }),
    "dump beside a log": dumps.besideALog(),
  };
  for (const [name, paths] of Object.entries(cases)) {
    for (const fragment of ["", "#chunk=7001"]) {
      test(`the report on "${name}" is the same to the byte${fragment && " in small portions"}`, () =>
        opened(paths, async (page) => assert.equal(await report(page), scan(paths.length > 1 ? dirname(paths[0]) : paths[0])), { fragment }));
    }
  }
});

describe("manners", () => {
  test("a folder dropped from disk", async () => {
    const { page, close } = await openPage(browser);
    await drop(page, dirname(dumps.folder()[0]));
    assert.match(await settled(page), /Usable in part:\s+3 anomalies/);
    assert.equal(await page.locator(".file-row").count(), 3);
    await close();
  });

  test("a scan that is stopped tells what was seen, and gives no verdict", async () => {
    const { page, close } = await openPage(browser, fileUrl("#chunk=2048"));
    const held = await hold(page, 100_000);
    await choose(page, dumps.long());
    await held.reached();
    await page.keyboard.press("Escape");
    assert.equal((await settled(page)).replace(/\s+/g, " "), "Cancelled: no verdict");
    assert.match(await page.locator(".streams").innerText(), /Checksum not reached/);
    assert.equal(await page.locator(".take").count(), 0);
    await close();
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`axe finds nothing in ${colorScheme}, and nothing is cut off at 320 pixels`, async () => {
      for (const width of [1280, 320]) {
        for (const paths of [[dumps.dump()], dumps.folder({ damaged: true })]) {
          await opened(paths, async (page) => {
            await page.locator(".evidence").waitFor();
            await page.evaluate(axe);
            const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
            assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`), []);
            assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${width} pixels`);
          }, { colorScheme, viewport: { width, height: 800 } });
        }
      }
    });
  }
});
