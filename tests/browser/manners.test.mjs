// How the page behaves: every way in, interruptions, refusals, keyboard, accessibility, the promise that nothing is sent.

import assert from "node:assert/strict";
import { appendFileSync, readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { axeFinds, choose, fileUrl, hold, launch, openPage, pageFile, serve, settled, patient } from "./browser.mjs";
import * as logs from "./logs.mjs";

let browser;
let server;
before(async () => {
  browser = await launch();
  server = await serve();
});
after(async () => {
  await browser.close();
  server.stop();
  rmSync(logs.folder, { recursive: true, force: true });
});

const oneLine = (text) => text.replace(/\s+/g, " ").trim();
const verdictOf = async (page) => oneLine(await settled(page));

/** A drop as the system makes it, with real paths: the page gets trusted events. */
async function drop(page, ...paths) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) await session.send("Input.dispatchDragEvent", { type, x: 300, y: 400, data });
}

/** A log that takes a while, read in small portions so that there is time to interfere. */
const slowly = fileUrl("#chunk=1024");
const long = (name) => logs.write(`${name}/events.ndjson`, logs.lines(0, 60_000));

describe("ways in", () => {
  for (const way of ["file", "http"]) {
    test(`files dropped on the page opened by ${way}`, async () => {
      const { page, log, close } = await openPage(browser, way === "file" ? fileUrl() : server.url);
      const paths = logs.rotation();
      await drop(page, paths[1], paths[3], paths[0], paths[2]);
      assert.equal(await verdictOf(page), "Usable after recovery: 1 anomaly");
      assert.equal((await page.locator(".file-name .mono").allInnerTexts())[0], "rot.log.3");
      assert.deepEqual(log.errors, []);
      await close();
    });

    test(`a folder dropped on the page opened by ${way}`, async () => {
      const { page, close } = await openPage(browser, way === "file" ? fileUrl() : server.url);
      logs.write("rotation/.hidden", "x");
      await drop(page, dirname(logs.rotation()[0]));
      assert.equal(await verdictOf(page), "Usable after recovery: 1 anomaly");
      assert.equal(await page.locator(".file-row").count(), 4);
      await close();
    });
  }

  test("a folder chosen with the button", async () => {
    const { page, close } = await openPage(browser);
    await page.locator("main input[webkitdirectory]").setInputFiles(dirname(logs.rotation()[0]));
    await settled(page);
    assert.equal(await page.locator(".file-row").count(), 4);
    await close();
  });

  test("text pasted on the page, and in the dialog", async () => {
    const { page, close } = await openPage(browser, fileUrl(), { permissions: ["clipboard-read", "clipboard-write"] });
    await page.evaluate((text) => navigator.clipboard.writeText(text), logs.lines(0, 3));
    await page.keyboard.press("Control+v");
    assert.equal(await verdictOf(page), "Valid backup");
    await page.reload();
    await page.getByRole("button", { name: "Paste text" }).click();
    await page.getByRole("textbox").fill("{broken\n");
    await page.getByRole("button", { name: "Check", exact: true }).click();
    assert.equal(await verdictOf(page), "Not readable");
    await close();
  });

  test("a second drop asks before it stops a reading, and only then", async () => {
    const { page, close } = await openPage(browser, fileUrl("#chunk=256"));
    await drop(page, logs.write("asks/events.ndjson", logs.lines(0, 20_000)));
    await page.locator(".reading").waitFor();
    await drop(page, logs.torn());
    await page.getByRole("button", { name: "Keep this" }).click();
    assert.equal(await verdictOf(page), "Valid backup");
    await drop(page, logs.torn());
    await page.getByText("Torn last line").first().waitFor();
    await close();
  });

  test("a deep link goes to its anomaly once the file is there", async () => {
    const { page, close } = await openPage(browser, fileUrl("#file=events.ndjson&off=1700"));
    assert.match(await page.locator("main").innerText(), /points to byte 1700 of events\.ndjson/);
    await choose(page, logs.glued());
    await settled(page);
    await page.getByText("Recovery saves 2 intact records").waitFor();
    await close();
  });
});

describe("interruptions", () => {
  test("cancel keeps what was seen and offers no repair", async () => {
    const { page, close } = await openPage(browser, slowly);
    const held = await hold(page, 100_000);
    await choose(page, long("cancel"));
    await page.getByRole("progressbar").waitFor();
    await held.reached();
    await page.keyboard.press("Escape");
    assert.equal(await verdictOf(page), "Cancelled: no verdict");
    assert.match(await page.locator(".verdict-sentence").innerText(), /first .* of .*What follows was not checked/);
    assert.equal(await page.getByRole("button", { name: "Repaired file" }).count(), 0);
    await close();
  });

  const change = { grows: (path) => appendFileSync(path, logs.event(1)), "is cut": (path) => truncateSync(path, 5000), vanishes: unlinkSync };
  for (const [what, act] of Object.entries(change)) {
    test(`a file that ${what} while it is read gets no verdict`, async () => {
      const path = long(`change-${what.replace(" ", "-")}`);
      const { page, close } = await openPage(browser, slowly);
      const held = await hold(page, 100_000);
      await choose(page, path);
      await held.reached();
      act(path);
      await held.release();
      assert.equal(await verdictOf(page), "Changed while it was read: no verdict");
      assert.equal(await page.getByRole("button", { name: "JSON report" }).count(), 0);
      await close();
    });
  }

  test("the page answers while it reads", async () => {
    const { page, close } = await openPage(browser);
    await choose(page, logs.write("busy/events.ndjson", logs.lines(0, 700_000)));
    await page.getByRole("button", { name: "Keyboard and help" }).click();
    await page.getByRole("heading", { name: "Keyboard" }).waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await verdictOf(page), "Valid backup");
    await close();
  });
});

describe("refusals", () => {
  const refuse = async (script) => {
    const context = patient(await browser.newContext());
    await context.addInitScript(script);
    const page = await context.newPage();
    await page.goto(fileUrl());
    const text = oneLine(await page.getByRole("alert").innerText());
    await context.close();
    return text;
  };

  test("without wasm the page says what it needs", async () =>
    assert.match(await refuse("delete globalThis.WebAssembly"), /cannot run the inspector.*Firefox 115.*papyra persistence scan/));

  test("when the worker is refused the page says so", async () =>
    assert.match(await refuse("globalThis.Worker = class { constructor() { throw new Error('workers are forbidden here'); } }"), /workers are forbidden here/));
});

describe("the parts of the file", () => {
  /** The page as a file that differs from the one that was built. */
  const opened = async (change) => {
    const path = join(logs.folder, "changed.html");
    writeFileSync(path, change(readFileSync(pageFile, "utf8")));
    const context = patient(await browser.newContext());
    const page = await context.newPage();
    await page.goto(pathToFileURL(path).href);
    return { page, close: () => context.close() };
  };

  test("a scan needs nothing of what is loaded when records are looked at", async () => {
    const { page, close } = await opened((html) => html.replace(/(<script type="text\/plain" id="explore">)[^<]+/, "$1"));
    await choose(page, logs.glued());
    assert.match(await verdictOf(page), /Usable after recovery/);
    await close();
  });

  test("a file that was cut off says so before anything is opened", async () => {
    const { page, close } = await opened((html) => html.slice(0, -1000));
    assert.match(oneLine(await page.getByRole("alert").innerText()), /cannot run the inspector/);
    await close();
  });
});

describe("manners", () => {
  test("by keyboard alone: open, walk the anomalies, filter, go to a line", async () => {
    const { page, close } = await openPage(browser);
    // Asked for early: it takes the browser a moment to give its dialogs away.
    const chooser = page.waitForEvent("filechooser");
    await page.locator(".try button:enabled").waitFor();
    const onFiles = () => page.evaluate(() => document.activeElement?.matches("input[type=file]:not([webkitdirectory])"));
    for (let presses = 0; !(await onFiles()); presses += 1) {
      assert.ok(presses < 8, "a file button is among the first stops");
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await (await chooser).setFiles(logs.glued());
    await settled(page);
    await page.keyboard.press("n");
    assert.match(await page.locator(".anomaly").innerText(), /Recovery saves 2 intact records/);
    await page.keyboard.press("p");
    assert.match(await page.locator(".anomaly").innerText(), /Recovery saves 1 intact record/);
    await page.keyboard.press("/");
    await page.keyboard.type("ActorCrashed");
    await page.getByText(/^\d+ hits$/).waitFor();
    await page.locator("main").focus();
    await page.keyboard.press("g");
    await page.getByRole("textbox").fill("12");
    await page.keyboard.press("Enter");
    await page.locator(".table-row.target").waitFor();
    await page.keyboard.press("?");
    await page.getByRole("heading", { name: "Keyboard" }).waitFor();
    await close();
  });

  test("a filter finds its lines and counts them", async () => {
    const { page, close } = await openPage(browser);
    await choose(page, logs.write("filter/events.ndjson", logs.lines(0, 30_000)));
    await settled(page);
    await page.locator("#record-filter").fill("actorcrashed s:4");
    const expected = logs.lines(0, 30_000).split("\n").filter((line) => line.includes("ActorCrashed") && line.includes("s:4")).length;
    await page.getByText(`${expected.toLocaleString("en-GB")} hits`).waitFor();
    await page.locator(".table-row .crashed").first().waitFor();
    await close();
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`axe finds nothing in ${colorScheme}, in any state`, async () => {
      const { page, close } = await openPage(browser, fileUrl(), { colorScheme });
      const check = async (state) => {
        assert.deepEqual(await axeFinds(page), [], state);
      };
      await page.getByRole("button", { name: "Open a damaged sample" }).waitFor();
      await check("empty");
      await page.keyboard.press("?");
      await check("help");
      await page.keyboard.press("Escape");
      await choose(page, ...logs.rotation());
      await settled(page);
      await page.locator(".table-row .payload").first().waitFor();
      await check("damaged set");
      await page.getByRole("button", { name: "Hex", exact: true }).click();
      await check("hex");
      await page.reload();
      await choose(page, logs.clean());
      await settled(page);
      await check("clean");
      await page.reload();
      await choose(page, logs.picture());
      await settled(page);
      await check("not readable");
      await close();
    });
  }

  test("nothing is cut off at 320 pixels", async () => {
    const { page, close } = await openPage(browser, fileUrl(), { viewport: { width: 320, height: 640 } });
    const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= 320);
    assert.ok(await fits(), "empty");
    await choose(page, ...logs.rotation());
    await settled(page);
    assert.ok(await fits(), "damaged");
    await close();
  });

  test("the policy names every script and forbids the network", async () => {
    const html = readFileSync(pageFile, "utf8");
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? "";
    for (const part of ["default-src 'none'", "connect-src 'none'", "worker-src blob:", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"]) {
      assert.ok(policy.includes(part), part);
    }
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval(?<!wasm-unsafe-eval)|\*/);
    const { page, close } = await openPage(browser, server.url);
    const outcome = await page.evaluate((url) => fetch(url).then(() => "fetched", () => "refused"), server.url);
    assert.equal(outcome, "refused");
    await close();
  });
});
