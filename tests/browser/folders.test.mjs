// Folders, archives and backups: what is read by itself, and that each is told as the command line tells it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { backup, flip } from "./backups.mjs";
import { axeFinds, choose, launch, openPage, overall, run, settled, shows, withoutPapyra } from "./browser.mjs";
import * as dumps from "./dumps.mjs";
import * as logs from "./logs.mjs";

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(logs.folder, { recursive: true, force: true });
});

/** A folder with these files in it: names and contents. */
function folderOf(files) {
  const folder = mkdtempSync(join(logs.folder, "folder-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

async function opened(what, work) {
  const { page, log, close } = await openPage(browser);
  try {
    if (typeof what === "string") await page.locator("main input[webkitdirectory]").setInputFiles(what);
    else await choose(page, ...what);
    await overall(page);
    await work(page, await settled(page));
    assert.deepEqual(log.errors, []);
  } finally {
    await close();
  }
}

async function reportOf(page) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "JSON report" }).click()]);
  return readFileSync(await file.path(), "utf8");
}

const scan = (path) => run("persistence", "scan", "--path", path, "--format", "json").out;
const torn = (n) => logs.lines(0, n).slice(0, -40);
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 1, 2, 3, 250, 251]);

const EMPTY_ZIP = Buffer.from("504b0506000000000000000000000000000000000000", "hex");
/** A local header whose name is longer than the file. */
const DAMAGED_ZIP = Buffer.concat([Buffer.from("504b0304140000000800000021000000000000100000000010000000ff00", "hex"), Buffer.from("a.ndjson")]);

const appendOnly = (options) => Object.fromEntries(dumps.folder(options).map((path) => [`appendonlydir/${path.split("/").at(-1)}`, readFileSync(path)]));

const folders = {
  "a server's data folder with a log in it": () => folderOf({ "dump.rdb": readFileSync(dumps.dump()), ...appendOnly(), "redis.conf": "appendonly yes\n", "events.ndjson": torn(9) }),
  "a server's data folder, its append-only files damaged": () => folderOf({ "dump.rdb": readFileSync(dumps.dump()), ...appendOnly({ damaged: true }) }),
  "append-only files in a folder of another name, without their manifest": () => folderOf(Object.fromEntries(
    Object.entries(appendOnly()).filter(([path]) => !path.endsWith(".manifest")).map(([path, bytes]) => [path.replace("appendonlydir", "aof"), bytes]))),
  "a clean log among foreign files": () => folderOf({ "events.ndjson": logs.lines(0, 40), "notes.txt": "hello\n", "photo.png": PNG, ".DS_Store": "\0\0\0\x01Bud1" }),
  "several sets, one of them damaged": () => folderOf({
    "a.ndjson": logs.lines(0, 10), "rot.log": logs.lines(30, 40), "rot.log.1": logs.lines(20, 30), "rot.log.3": torn(20),
    "other.log": logs.lines(0, 5), "other.log.1": logs.lines(5, 9), "rot.log.2.compact.tmp": logs.lines(1, 3), "rot.log.bak": "x\n",
  }),
  "compressed logs beside plain ones": () => folderOf({
    "events.ndjson": logs.lines(0, 9), "old.ndjson.gz": gzipSync(logs.lines(0, 300)), "cut.ndjson.gz": gzipSync(logs.lines(0, 3000)).subarray(0, 4000),
  }),
  "a log beside a Redis dump": () => folderOf({ "events.ndjson": logs.lines(0, 9), "dump.rdb": readFileSync(dumps.dump()) }),
  "a log beside archives, one of them damaged": () => folderOf({ "events.ndjson": logs.lines(0, 9), "damaged.zip": DAMAGED_ZIP, "empty.zip": EMPTY_ZIP }),
  "a folder of folders": () => folderOf({ "events.ndjson": logs.lines(0, 9), "more/events.ndjson": torn(9) }),
};

const nested = () => ({ "a/events.ndjson": logs.lines(0, 9), "b/events.ndjson": torn(9), "b/c/events.ndjson": logs.lines(9, 20) });

/** The folder in the command that makes the same check. */
async function commandOf(page) {
  const scans = (await page.locator(".command").allInnerTexts()).filter((text) => text.startsWith("papyra persistence scan --path "));
  assert.equal(scans.length, 1);
  return scans[0].split(" ").at(-1);
}

test("each of several folders has the command that makes the same check, a single one has none", async () => {
  const folder = folderOf(nested());
  await opened(folder, async (page) => {
    const seen = [];
    for (const entry of await page.locator(".tree-entry").all()) {
      await entry.click();
      seen.push(await commandOf(page));
    }
    assert.deepEqual(seen.map((path) => join(folder, "..", path)), ["a", "b", "b/c"].map((name) => join(folder, name)));
    assert.deepEqual(await axeFinds(page), []);
  });
  await opened(join(folder, "a"), async (page) => assert.equal(await page.locator(".command").count(), 0));
});

describe("folders, as the command line tells them", { skip: withoutPapyra }, () => {
  for (const [name, make] of Object.entries(folders)) {
    test(`the report on ${name} is the same to the byte`, () => {
      const folder = make();
      const expected = scan(folder);
      assert.ok(expected.startsWith("{"), "the command line has a report");
      return opened(folder, async (page) => {
        const first = page.locator(".tree-entry").first();
        if ((await first.count()) > 0) await first.click();
        assert.equal(await reportOf(page), expected);
      });
    });
  }

  test("what is not a log is named, and there is nothing to repair in it", () =>
    opened(folders["a clean log among foreign files"](), async (page, title) => {
      assert.equal(title, "Valid backup");
      assert.match(await page.locator(".aside").innerText(), /notes\.txt[\s\S]*photo\.png/);
      assert.equal(await page.getByRole("button", { name: "Repaired file" }).count(), 0);
    }));

  test("the command names the set that is damaged, not the first file", () =>
    opened(folderOf({ "a.ndjson": logs.lines(0, 9), "rot.log": logs.lines(5, 9), "rot.log.1": torn(5) }), async (page) => {
      const commands = await page.locator(".command").allInnerTexts();
      assert.equal(commands.length, 1);
      assert.match(commands[0], /--path \S*\/rot\.log --backend rotating$/);
    }));

  test("of a folder of folders the command names each as not read, and what the page says of each is what the command that it shows says", async () => {
    const folder = folderOf(nested());
    const around = run("persistence", "scan", "--path", folder);
    assert.equal(around.code, 66);
    assert.match(around.errors, /a\/ \(a folder: it is read when it is named by itself\), b\/ \(a folder/);
    await opened(folder, async (page) => {
      for (const entry of await page.locator(".tree-entry").all()) {
        await entry.click();
        assert.equal(await reportOf(page), scan(join(folder, "..", await commandOf(page))));
      }
    });
  });

  test("a folder in a folder is read by itself", () =>
    opened(folders["a folder of folders"](), async (page) => {
      const names = await page.locator(".tree-name").allInnerTexts();
      assert.equal(names.length, 2);
      assert.match(names[1], /more$/);
      await page.locator(".tree-entry").nth(0).click();
      await shows(page, "Valid backup");
      await page.locator(".tree-entry").nth(1).click();
      await shows(page, "Usable after recovery: 1 anomaly");
    }));

  test("a Redis data folder: the dump and the append-only folder", async () => {
    const folder = folderOf({ "dump.rdb": readFileSync(dumps.dump()) });
    const files = dumps.folder();
    mkdirSync(join(folder, "appendonlydir"));
    for (const file of files) copyFileSync(file, join(folder, "appendonlydir", file.split("/").at(-1)));
    await opened(folder, async (page) => {
      assert.equal(await page.locator(".tree-entry").count(), 0);
      assert.match(await page.locator("main").innerText(), /loads appendonlydir\/ and not dump\.rdb/);
      assert.equal(await reportOf(page), scan(folder));
      const name = folder.split("/").at(-1);
      assert.deepEqual((await page.locator(".command").allInnerTexts()).sort(), [
        `papyra redis export --path ${name}/appendonlydir/appendonly.aof.manifest --to exported-appendonly.aof`,
        `papyra redis export --path ${name}/dump.rdb --to exported-dump`,
      ]);
    });
  });
});

describe("backups", { skip: withoutPapyra }, () => {
  test("two backups are verified each by itself", async () => {
    const kept = mkdtempSync(join(logs.folder, "kept-"));
    cpSync(backup(), join(kept, "one"), { recursive: true });
    cpSync(backup(), join(kept, "two"), { recursive: true });
    flip(join(kept, "two", "rot.log.1"));
    await opened(kept, async (page) => {
      const entries = page.locator(".tree-entry");
      assert.match(await entries.nth(0).innerText(), /one[\s\S]*Verified backup/);
      assert.match(await entries.nth(1).innerText(), /two[\s\S]*Damaged backup: 1 of 3 files/);
      // What is damaged is shown first.
      assert.equal(await settled(page), "Damaged backup: 1 of 3 files");
      await entries.nth(0).click();
      await shows(page, "Verified backup");
    });
  });

  test("damage in a packed backup is shown in unpacked bytes", async () => {
    await opened(backup({ damaged: true, compress: "zstd" }), async (page) => {
      await page.locator(".excerpt .reject").waitFor();
      assert.match(await page.locator(".excerpt .reject").innerText(), /\{"ki/);
      assert.match(await page.locator(".excerpt").innerText(), /"event_type"/);
    });
  });
});

describe("archives", () => {
  const archives = {
    "a.tar": (folder, to) => execFileSync("tar", ["cf", to, "-C", folder, "."]),
    "a.tar.gz": (folder, to) => execFileSync("tar", ["czf", to, "-C", folder, "."]),
    "a.tar.zst": (folder, to) => execFileSync("sh", ["-c", 'tar cf - -C "$1" . | zstd -q -o "$2"', "sh", folder, to]),
    "a.zip": (folder, to) => execFileSync("python3", ["-c", "import shutil, sys; shutil.make_archive(sys.argv[2][:-4], 'zip', sys.argv[1])", folder, to]),
  };
  for (const [name, make] of Object.entries(archives)) {
    test(`the logs in ${name} are judged as in a folder`, async () => {
      const folder = folderOf({ "events.ndjson": torn(3000), "rot.log": logs.lines(9, 12), "rot.log.1": logs.lines(0, 9), "notes.txt": "x\n", "photo.png": PNG });
      const to = join(mkdtempSync(join(logs.folder, "archive-")), name);
      make(folder, to);
      await opened([to], async (page, title) => {
        assert.equal(title, "Usable after recovery: 1 anomaly");
        if (withoutPapyra === false || withoutPapyra === undefined) assert.equal(await reportOf(page), scan(folder));
        await page.locator(".excerpt .reject").waitFor();
        assert.match(await page.locator(".excerpt .reject").innerText(), /^set aside:\s\{"kind"/);
        const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Repaired file" }).click()]);
        assert.equal(readFileSync(await file.path(), "utf8"), torn(3000).slice(0, torn(3000).lastIndexOf("\n") + 1));
      });
    });
  }

  test("a damaged archive beside logs is named; alone it is said that nothing came out of it", async () => {
    const folder = folders["a log beside archives, one of them damaged"]();
    await opened(folder, async (page, title) => {
      assert.equal(title, "Valid backup");
      assert.match(await page.locator(".aside").innerText(), /damaged\.zip[\s\S]*empty\.zip/);
    });
    const { page, close } = await openPage(browser);
    await choose(page, join(folder, "damaged.zip"));
    await page.getByText("Nothing came out of damaged.zip: it could not be read completely").waitFor();
    await close();
  });

  test("an archive that is cut short is never called valid", async () => {
    const folder = folderOf({ "a.ndjson": logs.lines(0, 50), "b.ndjson": logs.lines(0, 50) });
    const to = join(folder, "..", "cut.tar");
    execFileSync("tar", ["cf", to, "-C", folder, "a.ndjson", "b.ndjson"]);
    // Right behind the first file: what is there is whole.
    writeFileSync(to, readFileSync(to).subarray(0, 512 + Math.ceil(Buffer.byteLength(logs.lines(0, 50)) / 512) * 512));
    await opened([to], async (page, title) => {
      assert.equal(title, "Damaged archive");
      assert.match(await page.locator(".verdict").innerText(), /could not be read completely: it ends too early/);
    });
  });
});

describe("files of one name", () => {
  test("two logs of one name keep their own facts", () => {
    const [one, two] = [folderOf({ "events.ndjson": logs.lines(0, 10) }), folderOf({ "events.ndjson": torn(20) })];
    return opened([join(one, "events.ndjson"), join(two, "events.ndjson")], async (page) => {
      const entries = page.locator(".tree-entry");
      assert.equal(await entries.count(), 2);
      assert.match(await entries.nth(0).innerText(), /Valid backup · 10 records/);
      assert.match(await entries.nth(1).innerText(), /Usable after recovery: 1 anomaly · 19 records/);
    });
  });
});

describe("what is said of packed logs", () => {
  test("evidence of a packed log shows unpacked bytes, its marks stand by unpacked size", () => {
    const text = `${logs.lines(0, 2000)}{"broken\n${logs.lines(0, 2000)}`;
    const folder = folderOf({ "events.ndjson.gz": gzipSync(text), "other.ndjson": logs.lines(0, 3) });
    return opened(folder, async (page) => {
      await page.locator(".excerpt .reject").waitFor();
      assert.match(await page.locator(".excerpt .reject").innerText(), /^set aside:\s\{"broken$/);
      const mark = Number(await page.locator(".strip-mark").getAttribute("x"));
      assert.ok(Math.abs(mark - 250) < 3, `in the middle, not at ${mark}`);
    });
  });

  test("a cut log comes with a command that works, and with what is lost", () =>
    opened([logs.gzipCut()], async (page) => {
      assert.equal(await page.locator(".command").first().innerText(), "papyra persistence recover --path events.ndjson.gz --to repaired-events.ndjson");
      assert.match(await page.locator(".verdict").innerText(), /all that followed is lost/);
    }));
});

describe("places and counts", () => {
  const inSight = (page) => page.evaluate(() => {
    const row = document.querySelector(".table-row.target");
    if (row === null) return "no row";
    const [box, table, head] = [row, document.querySelector(".table"), document.querySelector(".table-head")].map((node) => node.getBoundingClientRect());
    if (box.top < head.bottom - 0.5 || box.bottom > table.bottom + 0.5) return `hidden: ${box.top} to ${box.bottom} of ${head.bottom} to ${table.bottom}`;
    if (box.top < 60 || box.bottom > innerHeight) return `off the screen: ${box.top} to ${box.bottom}`;
    return document.activeElement === row ? "in sight" : "without focus";
  });

  test("every line that one goes to is fully in sight and has the focus", () =>
    opened([logs.write("goto/events.ndjson", logs.lines(0, 3000))], async (page) => {
      for (const line of [1, 2, 12, 13, 14, 1500, 1501, 2986, 2999, 3000]) {
        await page.keyboard.press("g");
        await page.locator("dialog input[type=text]").fill(String(line));
        await page.keyboard.press("Enter");
        await page.waitForFunction((row) => document.querySelector(`.table-row.target[aria-rowindex="${row + 1}"]`) === document.activeElement, line);
        assert.equal(await inSight(page), "in sight", `line ${line}`);
      }
    }));

  test("past a thousand findings the counts are whole", () => {
    let text = "";
    for (let n = 0; n < 1500; n += 1) text += `${logs.event(n)}\n{"kind": "ev\n[1]\n`;
    return opened([logs.write("counts/events.ndjson", text)], async (page) => {
      const chips = await page.locator(".anomalies .chip").allInnerTexts();
      assert.ok(chips.some((chip) => /Not valid JSON\s*1,500/.test(chip)), chips.join());
      assert.ok(chips.some((chip) => /Not a record\s*1,500/.test(chip)), chips.join());
    });
  });

  test("one wrong clock leaves the history by time, and is told", () =>
    opened([logs.write("clock/events.ndjson", `${logs.lines(0, 100)}${logs.event(0).replace(/"timestamp": \d+/, '"timestamp": 9000000000')}\n`)], async (page) => {
      await page.locator("#history-title").waitFor();
      assert.match(await page.locator(".history").innerText(), /by time/);
      assert.match(await page.locator(".history").innerText(), /1 record with a time far from all others/);
      assert.match(await page.locator(".verdict-facts .span").innerText(), /2026-01-01/);
    }));

  test("streams stand in the history by the time of their entries", () =>
    opened([dumps.dump()], async (page) => {
      await page.locator("#history-title").waitFor();
      assert.match(await page.locator("#history-title").innerText(), /by time/);
    }));
});

describe("a record", () => {
  test("opens beside the table, whole, and the keys lead to its neighbours", () =>
    opened([logs.glued()], async (page) => {
      await page.locator(".table-row", { hasText: "ActorCrashed" }).first().click();
      const panel = page.locator(".record-panel");
      await panel.locator(".json").waitFor();
      assert.match(await panel.innerText(), /event_type:?\s*ActorCrashed/);
      await panel.getByRole("button", { name: "Raw" }).click();
      assert.equal(await panel.locator(".record-raw").innerText(), logs.event(4));
      await panel.getByRole("button", { name: "Next record" }).click();
      await page.waitForFunction(() => document.querySelector("#record-title")?.textContent === "Pay");
      await page.keyboard.press("Escape");
      await panel.waitFor({ state: "detached" });
      await page.waitForFunction(() => document.activeElement?.matches(".table-row.target"));
      await page.keyboard.press("ArrowUp");
      await page.keyboard.press("Enter");
      await panel.getByText("ActorCrashed").first().waitFor();
    }));
});
