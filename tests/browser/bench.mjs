// Speed and memory of the page in Chromium, printed and never asserted: a log of a gigabyte, and one of five, each of millions of
// records, filtered too; and a folder of 400 small logs.
//
//   node bench.mjs [BYTES…]        default: 1e9 5e9

import { closeSync, fsyncSync, openSync, readFileSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { choose, launch, openPage } from "./browser.mjs";
import * as logs from "./logs.mjs";

const sizes = process.argv.slice(2).map(Number);
const browser = await launch();

/** Records of all kinds, about 290 bytes each, repeated until the file is large enough. */
function makeLog(bytes) {
  const path = logs.write(`bench/${bytes}.ndjson`, "");
  const words = "order payment invoice shipped cancelled customer zoë straße 東京 retry timeout gateway".split(" ");
  let block = "";
  for (let n = 0; block.length < 8 << 20; n += 1) {
    const note = Array.from({ length: 3 + (n % 9) }, (_, i) => words[(n * 7 + i * 5) % words.length]).join(" ");
    const time = 1_700_000_000 + n / 100;
    if (n % 3 === 0) {
      block += `{"kind": "dead_letter", "system_id": "orders", "target": "orders:${n % 100_000}", "message_type": "PaymentRequest", "payload": {"id": ${n}, "amount": ${(n % 9973) / 100}, "lines": [{"sku": "${(n * 2654435761 % 2 ** 32).toString(16)}", "qty": ${n % 9}, "note": "${note}"}, {"sku": "ff", "qty": 1, "note": "${note}"}]}, "timestamp": ${time}}\n`;
    } else {
      block += `{"kind": "event", "system_id": "orders", "actor_address": "orders:${n % 100_000}", "event_type": "${n % 4 === 1 ? "ActorCrashed" : "ActorStopped"}", "payload": {"error": "ValueError: ${note}", "reason": null}, "timestamp": ${time}}\n`;
    }
  }
  const buffer = Buffer.from(block);
  const file = openSync(path, "w");
  for (let written = 0; written < bytes; written += buffer.length) writeSync(file, buffer);
  fsyncSync(file); // or the disk is still being written to while the page reads
  closeSync(file);
  return path;
}

/** Memory of the largest renderer that is its own, not shared with the browser's other processes, in MB. */
function renderers() {
  let most = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(join("/proc", pid, "cmdline"), "utf8").includes("--type=renderer")) continue;
      most = Math.max(most, Number(/RssAnon:\s+(\d+)/.exec(readFileSync(join("/proc", pid, "status"), "utf8"))?.[1] ?? 0) / 1024);
    } catch {
      // gone meanwhile
    }
  }
  return most;
}

/** Seconds that the machine's processors have worked, all of them together. */
function worked() {
  const [user, nice, system, , , irq, softirq] = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

const busy = (work, seconds) => `${(work / seconds).toFixed(2)} of ${availableParallelism()} processors busy`;

/** The same bytes, of one file or several, read in the same way by a page that does nothing with them, as fast as it can get: bytes a second, and what it takes. */
async function readAlone(path) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.setContent("<input type=file multiple>");
  await page.locator("input").setInputFiles(path);
  const before = worked();
  const { speed, seconds } = await page.evaluate(async () => {
    const files = [...document.querySelector("input").files];
    const began = performance.now();
    let buffer = new ArrayBuffer(2 << 20);
    for (const file of files) {
      globalThis.reader = file.stream().getReader({ mode: "byob" }); // or it may be collected in the middle
      for (let done = false; !done; ) {
        const read = await globalThis.reader.read(new Uint8Array(buffer), { min: buffer.byteLength });
        ({ done } = read);
        buffer = read.value.buffer;
      }
    }
    const seconds = (performance.now() - began) / 1000;
    return { speed: files.reduce((sum, { size }) => sum + size, 0) / seconds, seconds };
  });
  const work = worked() - before;
  await context.close();
  return { speed, work, seconds };
}

/**
 * Notes the page's own clock, from the moment in which the files are there until the verdict on all of them is drawn; a key's answer
 * from the press to the frame that shows it. The time that the test takes to ask is none of the page's, and what drawing for the keys
 * takes is no part of the speed.
 */
function watchTimes(page) {
  return page.evaluate(() => {
    const times = (globalThis.times = { longest: 0, key: 0 });
    const observe = (type, options, take) =>
      new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, ...options });
    observe("longtask", {}, ({ duration }) => (times.longest = Math.max(times.longest, duration)));
    observe("event", { durationThreshold: 16 }, ({ name, duration }) => {
      if (name === "keydown") times.key = Math.max(times.key, duration);
    });
    addEventListener("change", () => (times.began ??= performance.now()), true);
    new MutationObserver(() => {
      if (times.ended !== undefined || document.querySelector("#verdict-title") === null || document.querySelector(".tree-entry:disabled") !== null) return;
      times.ended = 0;
      requestAnimationFrame(() => setTimeout(() => (times.ended = performance.now())));
    }).observe(document, { childList: true, subtree: true });
  });
}

async function timesOf(page) {
  await page.waitForFunction(() => globalThis.times.ended > 0, undefined, { timeout: 600_000, polling: 250 });
  const { began, ended, ...rest } = await page.evaluate(() => globalThis.times);
  return { seconds: (ended - began) / 1000, ...rest };
}

const ready = (page) => page.waitForFunction(() => !document.querySelector(".try button")?.disabled);
const rate = (bytes, seconds, alone) => `${(bytes / 1e6 / seconds).toFixed(0)} MB/s, ${(bytes / seconds / alone).toFixed(2)} of reading alone`;

/** What queries leave behind, each on all records of what is open. */
async function filters(page, before) {
  for (const query of ["kind:dead_letter", "zoë", "payload.id:>1000", "type:crash"]) {
    await page.locator("#record-filter").fill(query);
    await page.waitForFunction(() => /^[\d,]+ hits(;|$)/.test(document.querySelector(".filter-state").textContent), undefined, { timeout: 600_000, polling: 250 });
    await page.waitForTimeout(3000); // until what is no longer needed was let go
    const records = await page.locator(".kinds-total b").innerText();
    console.log(`  after ${query} on ${records} records, ${await page.locator(".filter-state").innerText()}: renderer ${renderers().toFixed(0)} MB (${before.toFixed(0)} before)`);
    await page.getByRole("button", { name: "Clear filter" }).click();
  }
}

/** 400 logs, 29 MB in all, opened together. */
async function many() {
  const text = logs.lines(0, 490);
  const paths = Array.from({ length: 400 }, (_, n) => logs.write(`bench-many/log-${n}.ndjson`, text));
  const bytes = paths.length * Buffer.byteLength(text);
  const { speed: alone } = await readAlone(paths);
  console.log(`${paths.length} files of ${(bytes / 1e6).toFixed(0)} MB, read and not scanned: ${(bytes / alone).toFixed(2)} s`);
  for (let turn = 0; turn < 2; turn += 1) {
    const { page, close } = await openPage(browser);
    await ready(page);
    await watchTimes(page);
    await choose(page, ...paths);
    const { seconds, longest } = await timesOf(page);
    console.log(`${paths.length} files of ${(bytes / 1e6).toFixed(0)} MB: ${seconds.toFixed(2)} s to the verdict; longest task ${longest.toFixed(0)} ms`);
    await close();
  }
}

await many();
for (const size of sizes.length > 0 ? sizes : [1e9, 5e9]) {
  const path = makeLog(size);
  const bytes = statSync(path).size;
  const { speed: alone, work, seconds } = await readAlone(path);
  console.log(`${(bytes / 1e9).toFixed(2)} GB, read and not scanned: ${(alone / 1e6).toFixed(0)} MB/s, ${busy(work, seconds)}`);
  for (const turn of ["alone", "alone", "with keys"]) {
    const { page, close } = await openPage(browser);
    await ready(page);
    const before = renderers();
    let peak = 0;
    const watch = setInterval(() => (peak = Math.max(peak, renderers())), 200);
    await watchTimes(page);
    const idle = worked();
    await choose(page, path);
    await page.locator(".reading").waitFor();
    let presses = 0;
    for (; turn === "with keys" && presses < 20 && (await page.locator("#verdict-title").count()) === 0; presses += 1) {
      await page.keyboard.press(presses % 2 === 0 ? "?" : "Escape");
      await page.waitForTimeout(100);
    }
    const { seconds, key, longest } = await timesOf(page);
    clearInterval(watch);
    const work = worked() - idle;
    console.log(`${(bytes / 1e9).toFixed(2)} GB, ${turn}: ${seconds.toFixed(2)} s to the verdict, ${rate(bytes, seconds, alone)}, ${busy(work, seconds)}; ` +
      `renderer at most ${peak.toFixed(0)} MB (${before.toFixed(0)} before); ${presses > 0 ? `the slowest of ${presses} keys shown in ${Math.max(16, key).toFixed(0)} ms; ` : ""}longest task ${longest.toFixed(0)} ms`);
    if (turn === "with keys") {
      if (await page.locator("dialog[open]").count() > 0) await page.keyboard.press("Escape");
      await filters(page, before);
    }
    await close();
  }
  rmSync(path);
}
await browser.close();
rmSync(logs.folder, { recursive: true, force: true });
