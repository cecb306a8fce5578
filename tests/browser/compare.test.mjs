// Two histories beside each other: the page finds what `papyra backup diff` finds, and leads to the records.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { flip } from "./backups.mjs";
import { axeFinds, choose, fileUrl, launch, openPage, overall, papyra, withoutPapyra } from "./browser.mjs";
import * as dumps from "./dumps.mjs";
import * as logs from "./logs.mjs";

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(logs.folder, { recursive: true, force: true });
});

/** Two sides in one folder: each a log, or the files of a folder. */
function sidesOf(old, fresh) {
  const folder = mkdtempSync(join(logs.folder, "compare-"));
  for (const [side, what] of [["old", old], ["new", fresh]]) {
    if (typeof what === "string") {
      writeFileSync(join(folder, `${side}.ndjson`), what);
      continue;
    }
    for (const [name, text] of Object.entries(what)) {
      mkdirSync(join(folder, side), { recursive: true });
      writeFileSync(join(folder, side, name), text);
    }
  }
  return folder;
}

function command(folder, ...args) {
  const { status, stdout, stderr } = spawnSync(papyra, args, { cwd: join(folder, ".."), encoding: "utf8", maxBuffer: 1 << 28 });
  return { code: status, out: stdout, errors: stderr };
}

/** Opens both sides and compares them; `old` and `fresh` are their names, as the page and the command know them. */
async function compared(folder, loose, old, fresh, work, fragment = "") {
  const { page, log, close } = await openPage(browser, fileUrl(fragment));
  try {
    if (loose) await choose(page, join(folder, "old.ndjson"), join(folder, "new.ndjson"));
    else await page.locator("main input[webkitdirectory]").setInputFiles(folder);
    await overall(page);
    await page.getByRole("button", { name: "Compare two" }).click();
    const picks = page.locator(".compare select");
    await picks.nth(0).selectOption(old);
    await picks.nth(1).selectOption(fresh);
    await page.getByRole("button", { name: "Compare", exact: true }).click();
    await page.locator(".compared, .compare [role=alert]").first().waitFor();
    await work(page);
    assert.deepEqual(log.errors, []);
  } finally {
    await close();
  }
}

async function saved(page) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "JSON report" }).click()]);
  return readFileSync(await file.path(), "utf8");
}

const line = (n) => logs.lines(n, n + 1);
const middle = logs.lines(0, 40) + logs.lines(41, 60) + line(900) + logs.lines(61, 80) + line(70) + line(901) + logs.lines(80, 100) + line(40);

const pairs = {
  "equal logs": [logs.lines(0, 300), logs.lines(0, 300)],
  "a log that has grown": [logs.lines(0, 300), logs.lines(0, 5000)],
  "a log edited in the middle: gone, changed, doubled, put in and moved": [logs.lines(0, 100), middle],
  "a long stretch that is gone": [logs.lines(0, 9000), logs.lines(0, 100) + logs.lines(8000, 9100)],
  "logs with nothing in common": [logs.lines(0, 50), logs.lines(100, 150)],
  "a damaged log and what it was": [logs.lines(0, 50), `${logs.lines(0, 20)}${logs.event(1).slice(0, 61)}${logs.lines(20, 40)}{"kind\n${logs.lines(40, 60)}`],
  "an empty log and a log": ["", logs.lines(0, 3)],
  "more differences than are listed": [logs.lines(0, 4000), Array.from({ length: 2000 }, (_, n) => line(2 * n)).join("")],
  "a set that has rotated, with retention at its front": [
    { "rot.log.2": logs.lines(0, 400), "rot.log.1": logs.lines(400, 900), "rot.log": logs.lines(900, 950) },
    { "rot.log.2": logs.lines(600, 900), "rot.log.1": logs.lines(900, 2000), "rot.log": logs.lines(2000, 2010) },
  ],
  "folders of several logs, one of them new, one gone, one changed": [
    { "a.ndjson": logs.lines(0, 9), "b.ndjson": logs.lines(0, 50), "c.ndjson": logs.lines(0, 70) },
    { "b.ndjson": logs.lines(0, 20) + logs.lines(21, 60), "c.ndjson": logs.lines(30, 90), "d.ndjson": logs.lines(5, 9) },
  ],
};

describe("against papyra backup diff", { skip: withoutPapyra }, () => {
  for (const [name, [old, fresh]] of Object.entries(pairs)) {
    test(`the comparison of ${name} is the same to the byte`, () => {
      const folder = sidesOf(old, fresh);
      const loose = typeof old === "string";
      const names = loose ? ["old.ndjson", "new.ndjson"] : [`${basename(folder)}/old`, `${basename(folder)}/new`];
      const cwd = loose ? join(folder, "x") : folder;
      const expected = command(cwd, "backup", "diff", ...names, "--format", "json").out;
      assert.ok(expected.startsWith("{"));
      return compared(folder, loose, ...names, async (page) => {
        assert.equal(await saved(page), expected);
        // And the words.
        const words = command(cwd, "backup", "diff", ...names).out;
        for (const title of await page.locator(".compared h2").allInnerTexts()) assert.ok(words.includes(title), `${title} in ${words}`);
        for (const fact of await page.locator(".compared-head .faint").allInnerTexts()) assert.ok(words.includes(fact), `${fact} in ${words}`);
      }, "#chunk=777");
    });
  }

  for (const compress of ["none", "gzip", "zstd"]) {
    test(`two backups (${compress}) are compared as the command compares them`, async () => {
      const folder = mkdtempSync(join(logs.folder, "compare-"));
      mkdirSync(join(folder, "p"));
      const make = (name, files) => {
        for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, "p", path), text);
        const made = spawnSync(papyra, ["backup", "create", "--path", "p", "--to", "kept", "--name", name, "--compress", compress], { cwd: folder, encoding: "utf8" });
        assert.equal(made.status, 0, made.stderr);
      };
      make("one", { "rot.log.1": logs.lines(0, 2000), "rot.log": logs.lines(2000, 3000), "b.ndjson": logs.lines(0, 10) });
      make("two", { "rot.log.2": logs.lines(0, 2000), "rot.log.1": logs.lines(2000, 2500) + logs.lines(2501, 4000), "rot.log": logs.lines(4000, 4100), "b.ndjson": logs.lines(0, 12) });
      rmSync(join(folder, "p"), { recursive: true });
      const at = `${basename(folder)}/kept`;
      const expected = command(folder, "backup", "diff", `${at}/one`, `${at}/two`, "--format", "json").out;
      await compared(folder, false, `${at}/one`, `${at}/two`, async (page) => assert.equal(await saved(page), expected));
    });
  }

  test("a damaged backup is not compared: its damage is no change of the history", async () => {
    const folder = mkdtempSync(join(logs.folder, "compare-"));
    writeFileSync(join(folder, "a.ndjson"), logs.lines(0, 50));
    for (const name of ["one", "two"]) {
      const made = spawnSync(papyra, ["backup", "create", "--path", "a.ndjson", "--to", "kept", "--name", name], { cwd: folder, encoding: "utf8" });
      assert.equal(made.status, 0, made.stderr);
    }
    flip(join(folder, "kept", "two", "a.ndjson"));
    rmSync(join(folder, "a.ndjson"));
    const at = `${basename(folder)}/kept`;
    await compared(folder, false, `${at}/one`, `${at}/two`, async (page) => {
      const said = await page.locator(".compare [role=alert]").innerText();
      assert.equal(said, "a.ndjson is damaged, so that it cannot be compared");
      assert.match(command(folder, "backup", "diff", `${at}/one`, `${at}/two`).errors, /a\.ndjson is damaged, so that it cannot be compared/);
    });
  });

  test("what is no log is refused with the command's words", async () => {
    const folder = sidesOf({ "a.ndjson": logs.lines(0, 9), "b.ndjson.gz": gzipSync(logs.lines(0, 9)) }, { "a.ndjson": logs.lines(0, 9) });
    writeFileSync(join(folder, "new", "dump.rdb"), readFileSync(dumps.dump()));
    const names = [`${basename(folder)}/old`, `${basename(folder)}/new`];
    for (const order of [names, [...names].reverse()]) {
      await compared(folder, false, ...order, async (page) => {
        const said = await page.locator(".compare [role=alert]").innerText();
        const { errors } = command(folder, "backup", "diff", ...order);
        assert.ok(errors.includes(said), `${said} in ${errors}`);
      });
    }
  });
});

describe("in the page", () => {
  test("each change names its records, leads to them, and is readable by everyone", () =>
    compared(sidesOf(logs.lines(0, 100), middle), true, "old.ndjson", "new.ndjson", async (page) => {
      const change = page.locator(".changes li", { hasText: "changed" });
      assert.match(await change.locator(".change-says").innerText(), /^changed: old\.ndjson line 61 at byte [\d,]+, now new\.ndjson line 60 at byte/);
      await page.waitForFunction(() => document.querySelector(".change-text")?.textContent !== "…");
      assert.match(await change.locator(".change-text").first().innerText(), /event · ActorStarted · s:4 · .*"n": ?60/);
      assert.deepEqual(await axeFinds(page), []);
      await change.locator(".change-record").first().click();
      await page.locator(".record-panel .json").waitFor();
      assert.match(await page.locator(".record-panel").innerText(), /old\.ndjson[\s\S]*ActorStarted[\s\S]*n:?\s*60/);
      await page.getByRole("button", { name: "Compare two" }).click();
      assert.equal(await page.locator(".changes li").count() > 3, true, "what was found is still there");
    }));

  test("the one that was written last is taken for the newer one, and they can be swapped", async () => {
    const folder = sidesOf(logs.lines(0, 50), logs.lines(0, 40));
    const { page, close } = await openPage(browser);
    await choose(page, join(folder, "old.ndjson"), join(folder, "new.ndjson"));
    await overall(page);
    await page.getByRole("button", { name: "Compare two" }).click();
    const chosen = () => page.locator(".compare select").evaluateAll((boxes) => boxes.map((box) => box.selectedOptions[0].text));
    assert.deepEqual(await chosen(), ["new.ndjson", "old.ndjson"]);
    await page.getByRole("button", { name: "Swap older and newer" }).click();
    assert.deepEqual(await chosen(), ["old.ndjson", "new.ndjson"]);
    await page.getByRole("button", { name: "Compare", exact: true }).click();
    await page.getByRole("heading", { name: "history was changed: 10 records gone" }).waitFor();
    await close();
  });
});
