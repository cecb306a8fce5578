// The tables: what their heads sort, columns that are hidden and moved, by mouse and by keys; and that nothing is off the side.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { axeFinds, choose, fileUrl, launch, openPage, overall } from "./browser.mjs";
import * as logs from "./logs.mjs";

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(logs.folder, { recursive: true, force: true });
});

async function opened(paths, work, viewport = { width: 1280, height: 900 }) {
  const { page, log, close } = await openPage(browser, fileUrl(), { viewport });
  try {
    await choose(page, ...paths);
    await overall(page);
    await page.locator(".table-row .payload").first().waitFor();
    await work(page);
    assert.deepEqual(log.errors, []);
  } finally {
    await close();
  }
}

const torn = () => [logs.write("tables/events.ndjson", `${logs.lines(0, 40)}{"kind": "ev\n${logs.lines(40, 60)}{"kind": "event", "x": "yz\n${logs.lines(60, 90)}{\n${logs.lines(90, 100)}`)];
const head = (page, name) => page.getByRole("columnheader", { name, exact: true });
const sort = (page, name) => head(page, name).getByRole("button").press("Enter");
const width = (page, name) => head(page.locator(".table"), name).evaluate((node) => node.getBoundingClientRect().width);

describe("the files", () => {
  const names = (page) => page.locator(".file-name .mono").allInnerTexts();

  test("are sorted by their heads, told to readers of the screen, and back to the order of the set", () =>
    opened(logs.rotation(), async (page) => {
      const set = ["rot.log.3", "rot.log.2", "rot.log.1", "rot.log"];
      assert.deepEqual(await names(page), set);
      await sort(page, "Anomalies");
      assert.equal(await head(page, "Anomalies").getAttribute("aria-sort"), "descending");
      assert.equal((await names(page))[0], "rot.log.2");
      assert.equal(await page.getByRole("button", { name: /^Move / }).count(), 0, "the order of the set is not what is shown");
      await sort(page, "File");
      assert.equal(await head(page, "Anomalies").getAttribute("aria-sort"), "none");
      assert.deepEqual(await names(page), ["rot.log", "rot.log.1", "rot.log.2", "rot.log.3"]);
      assert.deepEqual(await axeFinds(page), []);
      await sort(page, "File");
      await sort(page, "File");
      assert.deepEqual(await names(page), set);
      assert.equal(await page.getByRole("button", { name: /^Move / }).count(), 8);
    }));

  test("stay sorted when something else is opened", () =>
    opened(logs.rotation(), async (page) => {
      await sort(page, "File");
      await choose(page, ...logs.rotation().slice(0, 3));
      await page.waitForFunction(() => document.querySelectorAll(".file-row").length === 3);
      await overall(page);
      assert.deepEqual(await names(page), ["rot.log.1", "rot.log.2", "rot.log.3"]);
    }));
});

test("anomalies are sorted, n goes through them in that order, and the one that is looked at stays", () =>
  opened(torn(), async (page) => {
    const places = () => page.locator(".anomaly-place").allInnerTexts();
    const at = () => page.locator(".anomaly-row[aria-selected=true] .anomaly-place").innerText();
    const before = await places();
    assert.equal(before.length, 3);
    await page.keyboard.press("n");
    assert.equal(await at(), before[1]);
    await sort(page, "Bytes");
    assert.deepEqual(await places(), [before[1], before[0], before[2]]);
    assert.equal(await at(), before[1]);
    await page.keyboard.press("n");
    assert.equal(await at(), before[0]);
    assert.deepEqual(await axeFinds(page), []);
  }));

test("who failed is sorted by what one asks for", () =>
  opened([logs.clean()], async (page) => {
    const actors = page.locator(".ranks.wide tbody .rank-name");
    await actors.first().waitFor();
    const names = () => actors.allInnerTexts();
    await sort(page, "Actor");
    const byName = await names();
    assert.ok(byName.length > 1);
    assert.deepEqual(byName, [...byName].sort());
    await sort(page, "Last");
    const last = await page.locator(".ranks.wide td.ids").allInnerTexts();
    assert.deepEqual(last, [...last].sort().reverse());
  }));

test("on a phone the actors that failed most come first, and the rest of the ranking when it is asked for", () =>
  opened([logs.clean()], async (page) => {
    const lists = page.locator(".failures table");
    await lists.first().waitFor();
    assert.equal(await lists.count(), 1);
    assert.equal(await page.locator(".ranks.wide tbody tr").count(), 5);
    const height = await page.locator(".failures").evaluate((node) => node.getBoundingClientRect().height);
    assert.ok(height < 844, `the ranking fits on one screen, ${height} pixels`);
    assert.deepEqual(await axeFinds(page), []);
    await page.getByRole("button", { name: "Show reasons, dead letters and events" }).click();
    await page.waitForFunction(() => document.querySelectorAll(".failures table").length === 4);
    await page.getByRole("button", { name: "Show 7" }).first().click();
    assert.equal(await page.locator(".ranks.wide tbody tr").count(), 7);
  }, { width: 390, height: 844 }));

describe("the records", () => {
  test("hide columns and show them again", () =>
    opened([logs.clean()], async (page) => {
      await page.locator("summary", { hasText: "Columns" }).press("Enter");
      const type = page.getByRole("checkbox", { name: "Type" });
      await type.press("Space");
      await head(page, "Type").waitFor({ state: "detached" });
      assert.equal(await page.locator(".table-row").first().getByRole("cell").count(), 5);
      assert.deepEqual(await axeFinds(page), []);
      await type.press("Escape");
      assert.ok(await type.isHidden());
      // It stays hidden for what is opened next.
      await choose(page, logs.glued());
      await page.locator(".anomaly-row").first().waitFor();
      await overall(page);
      await page.locator(".table-row .payload").first().waitFor();
      assert.equal(await head(page, "Type").count(), 0);
      await page.locator("summary", { hasText: "Columns" }).click();
      await page.getByText("Type", { exact: true }).click();
      await head(page, "Type").waitFor();
    }));

  test("have columns whose edges are moved by keys and dragged, cells and heads alike", () =>
    opened([logs.clean()], async (page) => {
      const edge = page.getByRole("separator", { name: "Width of Actor" });
      const before = await width(page, "Actor");
      await edge.press("ArrowRight");
      await edge.press("ArrowRight");
      assert.equal(await width(page, "Actor"), before + 32);
      assert.equal(await edge.getAttribute("aria-valuenow"), String(before + 32));
      const box = await edge.boundingBox();
      await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width / 2 + 50, box.y + box.height / 2, { steps: 5 });
      await page.mouse.up();
      await page.waitForFunction((wide) => document.querySelector(".table-row .actor").getBoundingClientRect().width === wide, before + 82);
      assert.equal(await width(page, "Actor"), before + 82);
      await edge.press("Enter");
      assert.equal(await width(page, "Actor"), before);
    }));

  for (const [screen, files] of [[2560, 1], [1440, 2], [1024, 1], [1024, 3], [768, 2], [390, 2]]) {
    test(`are not off the side at ${screen} pixels beside ${files} things that were opened`, () =>
      opened(Array.from({ length: files }, (_, n) => logs.write(`side${n}/events.ndjson`, logs.lines(n, 60))), async (page) => {
        const off = await page.evaluate(() => {
          const table = document.querySelector(".table");
          const edge = table.getBoundingClientRect().right;
          const cells = [...table.querySelectorAll(".table-row:first-child .cell")].filter((cell) => cell.getClientRects().length > 0);
          return { page: document.documentElement.scrollWidth > innerWidth, table: table.scrollWidth > table.clientWidth, cells: cells.filter((cell) => cell.getBoundingClientRect().right > edge).length, payload: table.querySelector(".payload:not(:empty)") !== null };
        });
        assert.deepEqual(off, { page: false, table: false, cells: 0, payload: true });
        const clipped = await page.locator(".table-row .time").first().evaluate((cell) => cell.scrollWidth > cell.clientWidth);
        assert.ok(!clipped, "the time can be read");
      }, { width: screen, height: 900 }));
  }
});
