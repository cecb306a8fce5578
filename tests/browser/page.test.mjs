// The page as an operator meets it, opened from disk: what it says of each kind of log.

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { choose, fileUrl, launch, openPage, settled } from "./browser.mjs";
import * as logs from "./logs.mjs";

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(logs.folder, { recursive: true, force: true });
});

/** Opens the page, opens the files, and hands over the settled page; nothing may have been requested or violated. */
async function opened(paths, check, url = fileUrl()) {
  const { page, log, close } = await openPage(browser, url);
  try {
    await choose(page, ...paths);
    const title = await settled(page);
    await check(page, title.replace(/\s+/g, " "), log);
    assert.deepEqual(log.errors, []);
    const foreign = log.requests.filter((request) => request !== url.split("#")[0] && !request.startsWith("blob:"));
    assert.deepEqual(foreign, [], "no request leaves the page");
  } finally {
    await close();
  }
}

const download = async (page, name) => {
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).first().click()]);
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
};

describe("verdicts", () => {
  test("a clean log is a valid backup", () =>
    opened([logs.clean()], async (page, title) => {
      assert.equal(title, "Valid backup");
      assert.match(await page.title(), /^Valid backup · events\.ndjson/);
      assert.match(await page.locator(".verdict").innerText(), /100 intact records/);
      assert.equal(await page.locator("#anomalies-title").count(), 0);
    }));

  test("a torn tail is usable after recovery, and says where", () =>
    opened([logs.torn()], async (page, title) => {
      assert.equal(title, "Usable after recovery: 1 anomaly");
      assert.match(await page.locator(".anomaly").innerText(), /Torn last line/);
      assert.match(await page.locator(".command").first().innerText(), /papyra persistence recover --path events\.ndjson/);
    }));

  test("glued records are shown with what is saved", () =>
    opened([logs.glued()], async (page, title) => {
      assert.equal(title, "Usable after recovery: 2 anomalies");
      await page.locator(".excerpt").waitFor();
      assert.match(await page.locator(".excerpt .reject").first().innerText(), /"actor_add/);
      assert.match(await page.locator(".excerpt .keep").first().innerText(), /"n": 11/);
      await page.keyboard.press("n");
      assert.match(await page.locator(".anomaly").innerText(), /Recovery saves 2 intact records/);
      await page.getByRole("button", { name: "Hex", exact: true }).click();
      assert.match(await page.locator(".hex").innerText(), /7b 22 6b 69 6e 64/);
    }));

  test("an empty log is said to be empty", () => opened([logs.empty()], async (_, title) => assert.equal(title, "Empty log: 0 records")));

  test("a picture is called a picture", () =>
    opened([logs.picture()], async (page, title) => {
      assert.equal(title, "Not readable");
      assert.match(await page.locator(".verdict").innerText(), /looks like a PNG picture/);
      assert.equal(await page.getByRole("button", { name: "Repaired file" }).count(), 0);
    }));

  test("a gzip of two members reads as the log inside", () =>
    opened([logs.gzip()], async (page, title) => {
      assert.equal(title, "Valid backup");
      // A row stands before its text has been read.
      await page.locator(".table-row", { hasText: "ActorStarted" }).first().waitFor();
      assert.match(await page.locator(".table").innerText(), /ActorStarted/);
    }));

  test("a gzip cut in the middle is an anomaly, not a verdict on the rest", () =>
    opened([logs.gzipCut()], async (page, title) => {
      assert.match(title, /Usable after recovery/);
      assert.match(await page.locator(".anomaly-list").innerText(), /Damaged archive/);
      assert.match(await page.locator(".command").first().innerText(), /^papyra persistence recover --path events\.ndjson\.gz --to repaired-events\.ndjson$/);
      const { name, bytes } = await download(page, "Repaired file");
      assert.equal(name, "repaired-events.ndjson");
      assert.ok(bytes.length > 10_000 && logs.lines(0, 5000).startsWith(bytes.toString()));
    }));

  test("JSON that is not a log is not called a valid backup", () =>
    opened([logs.write("other/package.json", '{"name": "x", "version": "1"}\n')], async (_, title) => assert.equal(title, "Intact, but no Papyra records")));

  test("a hundred thousand anomalies are counted, a thousand listed", () =>
    opened([logs.manyAnomalies()], async (page, title) => {
      assert.equal(title, "Usable after recovery: 100,000 anomalies");
      assert.match(await page.locator(".anomalies").innerText(), /first 1,000 are listed/);
      const repaired = await download(page, "Repaired file");
      assert.equal(repaired.bytes.toString().split("\n").length, 100_001);
    }));

  test("text from a log is text", () =>
    opened([logs.nasty()], async (page, title) => {
      assert.match(title, /Usable after recovery/);
      await page.locator(".table-row .payload").first().waitFor();
      assert.equal(await page.locator("main script, main img, main b b, main svg[onload]").count(), 0);
      assert.doesNotMatch(await page.locator("main").innerText(), /\u202e/);
    }));
});

describe("sets, portions and large files", () => {
  test("a rotation set in the wrong order is put right", () =>
    opened(logs.rotation().reverse().sort(() => 1), async (page, title) => {
      assert.equal(title, "Usable after recovery: 1 anomaly");
      const names = await page.locator(".file-name .mono").allInnerTexts();
      assert.deepEqual(names, ["rot.log.3", "rot.log.2", "rot.log.1", "rot.log"]);
      await page.getByRole("button", { name: "Move rot.log.2 up" }).click();
      // The verdict of the old order may still be there.
      await page.locator(".files").getByText("starts before the file above ends").first().waitFor();
      assert.equal((await page.locator(".file-name .mono").allInnerTexts())[0], "rot.log.2");
    }));

  test("a gap in a set is flagged", () =>
    opened(logs.rotation().filter((path) => !path.endsWith(".1")), async (page) =>
      assert.match(await page.locator(".files").innerText(), /A file is missing/)));

  test("portions of seven bytes give the same report", async () => {
    let whole = "";
    await opened([logs.glued()], async (page) => (whole = (await download(page, "JSON report")).bytes.toString()));
    const url = fileUrl("#chunk=7");
    await opened([logs.glued()], async (page) => assert.equal((await download(page, "JSON report")).bytes.toString(), whole), url);
  });

  test("damage past 2^32 is found at its exact byte", { timeout: 600_000 }, async () => {
    const { path, brokenAt } = logs.pastFourGigabytes();
    await opened([path], async (page, title) => {
      assert.equal(title, "Usable after recovery: 2 anomalies");
      await page.keyboard.press("n");
      assert.match(await page.locator(".anomaly").innerText(), new RegExp(brokenAt.toLocaleString("en-GB")));
      assert.match(await page.locator(".excerpt .reject").innerText(), /"broken/);
    });
    rmSync(path);
  });
});

describe("take away", () => {
  test("the repaired file is what the plan says, and never bears the original's name", () =>
    opened([logs.glued()], async (page) => {
      const { name, bytes } = await download(page, "Repaired file");
      assert.equal(name, "repaired-events.ndjson");
      const expected = `${logs.lines(0, 10)}${[11, 12, 13].map((n) => `${logs.event(n)}\n`).join("")}${logs.lines(14, 20)}`;
      assert.equal(bytes.toString(), expected);
      const rejected = await download(page, "Rejected bytes");
      assert.match(rejected.bytes.toString(), /^\{"kind": "event", "system_id": "s", "actor_address": "s:1/);
    }));

  test("the summary says it all in plain text", async () => {
    const { page, close } = await openPage(browser, fileUrl(), { permissions: ["clipboard-read", "clipboard-write"] });
    await choose(page, logs.torn());
    await settled(page);
    await page.getByRole("button", { name: "Copy summary" }).click();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(text, /^Usable after recovery: 1 anomaly: events\.ndjson\n/);
    assert.match(text, /TRUNCATED_LINE/);
    await close();
  });
});

