// Input that means harm or has none of the usual shape, and a worker that dies: a calm answer, in bounded memory.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createGzip } from "node:zlib";
import { PATIENCE, choose, fileUrl, hold, launch, openPage, settled } from "./browser.mjs";
import * as logs from "./logs.mjs";

/** No more than this may a renderer hold, whatever it reads, in MB. */
const BOUND = 150;
/** What it may hold besides of an unpacked log, for looking at. */
const KEPT = 256;

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(logs.folder, { recursive: true, force: true });
});

/** Watches what renderers hold until told to stop; then gives the most that one of them held, in MB. */
function watchMemory() {
  let most = 0;
  const look = () => {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(join("/proc", pid, "cmdline"), "utf8").includes("--type=renderer")) continue;
        const held = /RssAnon:\s+(\d+)/.exec(readFileSync(join("/proc", pid, "status"), "utf8"));
        most = Math.max(most, Number(held?.[1] ?? 0) / 1024);
      } catch {
        // gone meanwhile
      }
    }
  };
  const timer = setInterval(look, 100).unref();
  return () => {
    clearInterval(timer);
    look();
    return most;
  };
}

/** Opens a file that is a repetition of one megabyte between a head and a tail, which takes no room anywhere. */
async function openRepeated(page, { head, byte, megabytes, tail }) {
  await page.evaluate(([first, filling, times, last]) => {
    const block = new Blob([new Uint8Array(1 << 20).fill(filling)]);
    const file = new File([first, ...Array(times).fill(block), last], "events.ndjson");
    const transfer = new DataTransfer();
    transfer.items.add(file);
    const input = document.querySelector("main input[type=file]");
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, [head, byte, megabytes, tail]);
}

async function verdict(page) {
  await page.locator("#verdict-title").waitFor();
  return (await page.locator("#verdict-title").innerText()).replace(/\s+/g, " ");
}

describe("bounded memory", () => {
  test("a record of three gigabytes on a single line", { timeout: PATIENCE }, async () => {
    const { page, log, close } = await openPage(browser);
    const stop = watchMemory();
    await openRepeated(page, { head: `${logs.event(1).slice(0, -1)}, "x": "`, byte: 0x78, megabytes: 3072, tail: '"}\n' });
    assert.equal(await verdict(page), "Valid backup");
    assert.match(await page.locator(".verdict").innerText(), /1 intact record/);
    await page.locator(".table-row").first().waitFor();
    const most = stop();
    assert.ok(most < BOUND, `${most} MB`);
    assert.deepEqual(log.errors, []);
    await close();
  });

  test("two gigabytes behind a torn quote, without an end", { timeout: PATIENCE }, async () => {
    const { page, log, close } = await openPage(browser);
    const stop = watchMemory();
    await openRepeated(page, { head: `${logs.lines(0, 3)}{"kind": "event", "payload": "`, byte: 0, megabytes: 2048, tail: `${logs.event(9)}\n` });
    assert.equal(await verdict(page), "Usable after recovery: 1 anomaly");
    assert.match(await page.locator(".anomaly").innerText(), /Recovery saves 1 intact record/);
    const most = stop();
    assert.ok(most < BOUND, `${most} MB`);
    assert.deepEqual(log.errors, []);
    await close();
  });

  test("a gzip bomb", { timeout: PATIENCE }, async () => {
    const gzip = createGzip({ level: 9 });
    const packed = [];
    gzip.on("data", (data) => packed.push(data));
    for (let n = 0; n < 768; n += 1) gzip.write(Buffer.alloc(1 << 20));
    gzip.end(logs.lines(0, 2));
    await new Promise((resolve) => gzip.on("end", resolve));
    const path = logs.write("bomb/events.ndjson.gz", Buffer.concat(packed));
    const { page, log, close } = await openPage(browser);
    const stop = watchMemory();
    await choose(page, path);
    assert.equal(await verdict(page), "Usable after recovery: 1 anomaly");
    assert.match(await page.locator(".repairs").innerText(), /Too large to unpack here/);
    const most = stop();
    assert.ok(most < BOUND + KEPT, `${most} MB`);
    assert.deepEqual(log.errors, []);
    await close();
  });
});

describe("a worker that dies", () => {
  const start = async (page) => {
    const held = await hold(page, 100_000);
    await choose(page, logs.write("dies/events.ndjson", logs.lines(0, 60_000)));
    await held.reached();
    return held;
  };

  test("without a word is given up, and reading again works", async () => {
    const { page, close } = await openPage(browser, fileUrl("#chunk=1024"));
    await page.clock.install();
    await page.reload();
    const held = await start(page);
    await page.workers()[0].evaluate(() => void setTimeout(() => self.close()));
    await held.release();
    for (let looks = 0; looks < 8; looks += 1) await page.clock.fastForward(5_000);
    assert.match(await settled(page), /broke off/);
    assert.match(await page.locator(".verdict").innerText(), /The background worker stopped answering/);
    assert.equal(await page.getByRole("button", { name: "JSON report" }).count(), 0);
    await page.getByRole("button", { name: "Read it again" }).click();
    await page.getByRole("heading", { name: "Valid backup" }).waitFor();
    await close();
  });

  test("with an error is said to have failed, and reading again works", async () => {
    const { page, close } = await openPage(browser, fileUrl("#chunk=1024"));
    const held = await start(page);
    await page.workers()[0].evaluate(() => setTimeout(() => { throw new Error("out of memory"); }));
    await held.release();
    assert.match(await settled(page), /broke off/);
    assert.match(await page.locator(".verdict").innerText(), /out of memory/);
    await page.getByRole("button", { name: "Read it again" }).click();
    await page.getByRole("heading", { name: "Valid backup" }).waitFor();
    await close();
  });
});
