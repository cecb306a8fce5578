// A smoke run in Firefox ESR: it starts from disk, reads, judges, filters, repairs, and sends nothing.

import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { test } from "node:test";
import puppeteer from "puppeteer-core";
import { PATIENCE, fileUrl, patient } from "./browser.mjs";
import * as logs from "./logs.mjs";

const executablePath = process.env.FIREFOX ?? ["/usr/bin/firefox-esr", "/usr/bin/firefox"].find(existsSync);

test("Firefox ESR does the same", { timeout: PATIENCE }, async () => {
  const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true });
  try {
    const page = patient(await browser.newPage());
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(fileUrl());
    const verdict = async (...paths) => {
      const input = await page.$("main input[type=file], header input[type=file]");
      await input.uploadFile(...paths);
      const title = await page.waitForSelector("#verdict-title");
      return title.evaluate((element) => element.textContent.replace(/\s+/g, " "));
    };
    assert.equal(await verdict(logs.glued()), "Usable after recovery: 2 anomalies");
    await page.waitForSelector(".excerpt .keep");
    await page.waitForSelector(".table-row .payload");
    await page.type("#record-filter", "crashed");
    await page.waitForFunction(() => /hits?$/.test(document.querySelector(".filter-state")?.textContent ?? ""));
    await page.goto("about:blank");
    await page.goto(fileUrl());
    assert.equal(await verdict(logs.gzip()), "Valid backup");
    const refused = await page.evaluate(() => fetch("http://127.0.0.1:9/").then(() => "fetched", () => "refused"));
    assert.equal(refused, "refused");
    assert.deepEqual(errors.filter((text) => !text.includes("127.0.0.1:9") && !text.includes("Content-Security-Policy")), []);
  } finally {
    await browser.close();
    rmSync(logs.folder, { recursive: true, force: true });
  }
});
