// The page against the command line: the same report to the byte, and the same repaired file.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { choose, launch, openPage, papyra, run, settled, withoutPapyra } from "./browser.mjs";
import * as logs from "./logs.mjs";

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(logs.folder, { recursive: true, force: true });
});

async function inPage(paths, work) {
  const { page, close } = await openPage(browser);
  await choose(page, ...paths);
  await settled(page);
  const saved = async (name, at = 0) => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).nth(at).click()]);
    return readFileSync(await file.path());
  };
  try {
    return await work(saved, page);
  } finally {
    await close();
  }
}

const single = { clean: logs.clean, torn: logs.torn, glued: logs.glued, empty: logs.empty, picture: logs.picture, gzip: logs.gzip, "gzip cut in the middle": logs.gzipCut, "zstd cut in the middle": logs.zstdCut, nasty: logs.nasty };

describe("against the command line", { skip: withoutPapyra }, () => {
  for (const [name, make] of Object.entries(single)) {
    test(`the report on "${name}" is the same to the byte`, async () => {
      const path = make();
      const expected = run("persistence", "scan", "--path", path, "--format", "json").out;
      await inPage([path], async (saved) => assert.equal((await saved("JSON report")).toString(), expected));
    });
  }

  test("the report on a rotation set is the same to the byte, whatever the order", async () => {
    const paths = logs.rotation();
    const expected = run("persistence", "scan", "--path", paths.at(-1), "--format", "json").out;
    await inPage([paths[2], paths[0], paths[3], paths[1]], async (saved) => assert.equal((await saved("JSON report")).toString(), expected));
  });

  test("a set with a gap gives the same report", async () => {
    const paths = logs.rotation();
    rmSync(paths[2]);
    const given = paths.filter((_, index) => index !== 2);
    const expected = run("persistence", "scan", "--path", paths.at(-1), "--format", "json").out;
    await inPage(given, async (saved) => assert.equal((await saved("JSON report")).toString(), expected));
  });

  for (const name of ["torn", "glued", "nasty"]) {
    test(`the repaired "${name}" is what recover makes, and scans clean`, async () => {
      const path = single[name]();
      const repaired = await inPage([path], (saved) => saved("Repaired file"));
      const folder = mkdtempSync(join(logs.folder, "recover-"));
      const copy = join(folder, "events.ndjson");
      copyFileSync(path, copy);
      execFileSync(papyra, ["persistence", "recover", "--path", copy, "--discard-rejects"], { stdio: "ignore" });
      assert.ok(readFileSync(copy).equals(repaired), "byte for byte");
      const again = join(folder, "again.ndjson");
      writeFileSync(again, repaired);
      assert.equal(run("persistence", "scan", "--path", again).code, 0);
    });
  }

  test("every damaged file of a set is repaired where it stands", async () => {
    const paths = logs.rotation();
    const repaired = await inPage(paths, (saved) => saved("Repaired file"));
    execFileSync(papyra, ["persistence", "recover", "--path", paths.at(-1), "--discard-rejects"], { stdio: "ignore" });
    const damaged = paths.find((path) => basename(path) === "rot.log.2");
    assert.ok(readFileSync(damaged).equals(repaired));
  });
});
