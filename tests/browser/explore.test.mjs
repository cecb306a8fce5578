// Understanding what happened: queries, what they apply to, and what is taken away of what they find.

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { axeFinds, choose, fileUrl, launch, openPage, overall } from "./browser.mjs";
import * as logs from "./logs.mjs";

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(logs.folder, { recursive: true, force: true });
});

const START = 1_767_225_600;
const restart = (n) => `{"kind": "event", "system_id": "s", "actor_address": "s:99", "event_type": "ActorRestarted", "payload": {"reason": "actor restarted"}, "timestamp": ${START + 200 + n}}`;
const crash = (n) => `{"kind": "event", "system_id": "s", "actor_address": "s:99", "event_type": "ActorCrashed", "payload": {"error": "ValueError: \\"b\\" =1"}, "timestamp": ${START + 200 + n}}`;
const LINES = [
  ...logs.lines(0, 150).trimEnd().split("\n"), '{"torn', ...logs.lines(150, 200).trimEnd().split("\n"),
  ...Array.from({ length: 8 }, (_, n) => [crash(n), restart(n)]).flat(), '{"second', ...logs.lines(300, 400).trimEnd().split("\n"),
];
const records = LINES.map((text, index) => {
  const line = index + 1;
  try {
    const record = JSON.parse(text);
    return { text, line, ...record, time: record.timestamp, type: record.event_type ?? record.message_type, actor: record.actor_address ?? record.target };
  } catch {
    return { text, line, kind: "damaged", type: "", actor: "", payload: {}, time: Number.NaN };
  }
});
const log = () => logs.write("explore/events.ndjson", `${LINES.join("\n")}\n`);

async function opened(work, fragment = "", path = log()) {
  const { page, log, close } = await openPage(browser, fileUrl(fragment));
  try {
    await choose(page, path);
    await overall(page);
    await page.locator("#record-filter").waitFor();
    await work(page);
    assert.deepEqual(log.errors, []);
  } finally {
    await close();
  }
}

const hits = async (page, number) => page.getByText(`${number.toLocaleString("en-GB")} ${number === 1 ? "hit" : "hits"}`, { exact: true }).waitFor();

async function ask(page, query, number) {
  await page.locator("#record-filter").fill(query);
  await hits(page, number);
}

async function saved(page, name) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name, exact: true }).click()]);
  return readFileSync(await file.path(), "utf8");
}

describe("a query", () => {
  const queries = {
    "kind:dead_letter": ({ kind }) => kind === "dead_letter",
    "kind:event -type:crash": ({ kind, type }) => kind === "event" && type !== "ActorCrashed",
    'actor:"s:5"': ({ actor }) => actor === "s:5",
    "payload.n:18": ({ payload }) => payload.n === 18,
    "payload.n:>=100 payload.n:<120": ({ payload }) => payload.n >= 100 && payload.n < 120,
    "time:>2026-01-01T00:05": ({ time }) => time > START + 300,
    [`time:${START + 10}..${START + 20}`]: ({ time }) => time >= START + 10 && time < START + 20,
    "/n\": 1[0-9]{2}\\}/": ({ text }) => /n": 1[0-9]{2}\}/.test(text),
    "is:damaged": ({ kind }) => kind === "damaged",
    'reason:"ValueError: \\"b\\" =1"': ({ payload }) => payload.error === 'ValueError: "b" =1',
    "zoë s:5": ({ text }) => text.includes("zoë") && text.includes("s:5"),
    "line:100..110": ({ line }) => line >= 100 && line < 110,
  };
  test("finds what it says, and all of that is saved", () =>
    opened(async (page) => {
      for (const [query, holds] of Object.entries(queries)) {
        const expected = records.filter(holds);
        assert.ok(expected.length > 0, query);
        await ask(page, query, expected.length);
        assert.equal(await saved(page, "Save as NDJSON"), expected.map(({ text }) => `${text}\n`).join(""), query);
      }
    }));

  test("that makes no sense is said, and what was listed stays", () =>
    opened(async (page) => {
      await ask(page, "kind:dead_letter", records.filter(({ kind }) => kind === "dead_letter").length);
      await page.locator("#record-filter").fill("time:>yesterday");
      await page.getByRole("alert").filter({ hasText: "time:>yesterday: a time is a date" }).waitFor();
      assert.equal(await page.locator("#record-filter").getAttribute("aria-invalid"), "true");
      assert.deepEqual(await axeFinds(page), []);
    }));

  test("stands in the address, and a link with it filters", async () => {
    let address = "";
    const number = records.filter(({ type }) => type === "ActorCrashed").length;
    await opened(async (page) => {
      await ask(page, "type:crash", number);
      address = new URL(page.url()).hash;
      assert.equal(new URLSearchParams(address.slice(1)).get("q"), "type:crash");
      await page.getByRole("button", { name: "Clear filter" }).click();
      await page.waitForFunction(() => location.hash === "");
    });
    await opened(async (page) => {
      await hits(page, number);
      assert.equal(await page.locator("#record-filter").inputValue(), "type:crash");
    }, address);
  });

  test("is marked in the cells that it speaks of", () =>
    opened(async (page) => {
      await ask(page, "type:crash kind:event", records.filter(({ type }) => type === "ActorCrashed").length);
      await page.locator(".table-row mark").first().waitFor();
      assert.deepEqual([...new Set(await page.locator(".table-row mark").allInnerTexts())], ["Crash"]);
    }));

  test("text of a log stays text where it is marked", () =>
    opened(async (page) => {
      await page.locator("#record-filter").fill("img onerror");
      await page.locator(".table-row mark").first().waitFor();
      assert.equal(await page.locator(".table-row img").count(), 0);
    }));
});

test("rows for a spreadsheet hold no formula", () =>
  opened(async (page) => {
    await ask(page, "line:1..3", 2);
    const [first, second] = records;
    const row = ({ line, kind, type, actor, payload, timestamp }, offset) =>
      `events.ndjson,${line},${offset},${kind},${type},${actor},${timestamp},"${JSON.stringify(payload).replace(":", ": ").replaceAll('"', '""')}"\r\n`;
    assert.equal(await saved(page, "Save as CSV"), `file,line,offset,kind,type,actor,timestamp,payload\r\n${row(first, 0)}${row(second, first.text.length + 1)}`);
  }));

test("who failed is ranked, and each row is a filter", () =>
  opened(async (page) => {
    const actors = page.locator(".ranks.wide tbody tr");
    await actors.first().waitFor();
    const crashes = (name) => records.filter(({ actor, type }) => actor === name && type === "ActorCrashed").length;
    const worst = [...new Set(records.map(({ actor }) => actor))].sort((a, b) => crashes(b) - crashes(a))[0];
    assert.match(await actors.first().innerText(), new RegExp(`^${worst}(restart storm)?\\s+${crashes(worst)}\\s`));
    await page.getByText("restart storm").waitFor();
    await page.getByRole("button", { name: "s:99", exact: true }).first().click();
    await hits(page, 16);
    assert.equal(await page.locator("#record-filter").inputValue(), 'actor:"s:99"');
    await page.getByRole("button", { name: 'ValueError: "b" =1', exact: true }).click();
    await hits(page, 8);
    await page.getByRole("button", { name: 'ValueError: "b" =1', exact: true }).click();
    await hits(page, 16);
    await page.getByRole("button", { name: "s:99", exact: true }).first().click();
    await page.getByRole("button", { name: "Pay", exact: true }).click();
    await hits(page, records.filter(({ type }) => type === "Pay").length);
    assert.deepEqual(await axeFinds(page), []);
  }));

describe("the chart", () => {
  test("dragging over it filters the table and the anomalies", () =>
    opened(async (page) => {
      await page.locator(".chart").scrollIntoViewIfNeeded();
      const box = await page.locator(".chart .u-over").boundingBox();
      const y = box.y + box.height / 2;
      await page.mouse.move(box.x + box.width * 0.25, y);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.4, y, { steps: 4 });
      await page.mouse.move(box.x + box.width * 0.45, y, { steps: 4 });
      await page.mouse.up();
      await page.waitForFunction(() => /^time:/.test(document.querySelector("#record-filter").value));
      const asked = await page.locator("#record-filter").inputValue();
      const [from, to] = asked.slice("time:".length).split("..").map((text) => Date.parse(text) / 1000);
      const within = records.filter(({ time }) => time >= from && time < to);
      await hits(page, within.length);
      assert.ok(within.length > 20 && within.length < 200, asked);
      // The first torn line lies in it, the second does not.
      await page.getByText("1 in the time that the filter asks for.").waitFor();
      assert.equal(await page.locator(".anomaly-row").count(), 1);
      assert.match(await page.locator(".anomaly-row").innerText(), /line 151 /);
      await page.getByRole("button", { name: "Whole history" }).click();
      await page.waitForFunction(() => document.querySelectorAll(".anomaly-row").length === 2);
    }));

  test("keys zoom too: the last minute, wider, back to all of it", () =>
    opened(async (page) => {
      await page.getByRole("button", { name: "Last minute" }).press("Enter");
      const last = records.filter(({ time }) => time >= START + 399.5 - 60).length;
      await hits(page, last);
      await page.getByRole("button", { name: "Zoom out" }).press("Enter");
      await page.waitForFunction((last) => Number(/^\d+(?= hits$)/.exec(document.querySelector(".filter-state").textContent)?.[0]) > last, last);
      await page.getByRole("button", { name: "Whole history" }).press("Enter");
      await page.waitForFunction(() => document.querySelector("#record-filter").value === "");
    }));

  test("a log whose clock is no calendar is zoomed by its bytes", () => {
    const text = LINES.filter((line) => line.endsWith("}")).map((line) => line.replace("17672", "")).join("\n");
    return opened(async (page) => {
      await page.getByText("by position in the file").waitFor();
      await page.getByRole("button", { name: "Zoom in" }).click();
      await page.waitForFunction(() => /^byte:\d+\.\.\d+$/.test(document.querySelector("#record-filter").value));
      const [from, to] = (await page.locator("#record-filter").inputValue()).slice(5).split("..").map(Number);
      let at = 0;
      const starts = text.split("\n").map((line) => (at += Buffer.byteLength(line) + 1) - Buffer.byteLength(line) - 1);
      await hits(page, starts.filter((start) => start >= from && start < to).length);
    }, "", logs.write("uptime/events.ndjson", `${text}\n`));
  });
});

test("the first and the last record are one click away", () =>
  opened(async (page) => {
    for (const [name, line] of [["Last record", LINES.length], ["First record", 1]]) {
      await page.getByRole("button", { name, exact: true }).click();
      await page.waitForFunction((row) => document.activeElement?.getAttribute("aria-rowindex") === String(row + 1), line);
    }
  }));

test("on paper stand all findings, the history and the commands", () =>
  opened(async (page) => {
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    await page.emulateMedia({ media: "print" });
    await page.locator(".print-only tbody tr").nth(1).waitFor();
    assert.equal(await page.locator(".print-only tbody tr").count(), 2);
    for (const seen of [".history canvas", ".command", ".verdict", ".failures"]) assert.ok(await page.locator(seen).first().isVisible(), seen);
    for (const unseen of [".filter-bar", ".records", ".anomalies .split"]) assert.ok(!(await page.locator(unseen).first().isVisible()), unseen);
  }));
