// `papyra inspector`, from a binary that carries the page: written to a file, and opened in a browser.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { choose, launch, openPage, pageFile, settled } from "./browser.mjs";
import * as logs from "./logs.mjs";

const binary = process.env.PAPYRA_INSPECTOR_BIN;
const without = binary === undefined && process.env.PAPYRA_TEST_REQUIRE_ALL === undefined && "PAPYRA_INSPECTOR_BIN names no binary: tests/browser/run.sh builds it";

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(logs.folder, { recursive: true, force: true });
});

/** A folder that holds a desktop's opener: it notes the address that it was given, and ends with this code. */
function opener(code) {
  const path = logs.write(`opener-${code}/xdg-open`, `#!/bin/sh\nprintf %s "$1" >"$0.asked"\nexit ${code}\n`);
  chmodSync(path, 0o755);
  return { PATH: `${dirname(path)}:/usr/bin:/bin`, asked: () => readFileSync(`${path}.asked`, "utf8") };
}

describe("papyra inspector", { skip: without }, () => {
  test("--output writes the page, never over a file", () => {
    const path = join(dirname(logs.clean()), "page.html");
    const write = (to) => spawnSync(binary, ["inspector", "--output", to], { maxBuffer: 1 << 24 });
    assert.equal(write(path).status, 0);
    assert.ok(readFileSync(path).equals(readFileSync(pageFile)));
    assert.ok(write("-").stdout.equals(readFileSync(pageFile)));
    const log = logs.clean();
    assert.equal(write(log).status, 73);
    assert.equal(readFileSync(log, "utf8"), logs.lines(0, 100));
  });

  test("--open writes the page where one is, and opens it", async () => {
    const { asked, ...env } = opener(0);
    const cwd = logs.write("here/nothing", "").replace(/nothing$/, "");
    const path = join(cwd, "papyra-inspector.html");
    for (const said of [/wrote papyra-inspector.html/, /papyra-inspector.html holds the page already/]) {
      const run = spawnSync(binary, ["inspector", "--open"], { env, cwd, encoding: "utf8" });
      assert.equal(run.status, 0, run.stderr);
      assert.equal(run.stderr, "");
      assert.match(run.stdout, said);
      assert.equal(asked(), path);
    }
    const { page, log, close } = await openPage(browser, `file://${path}`);
    await choose(page, logs.torn());
    assert.match(await settled(page), /Usable after recovery/);
    assert.deepEqual(log.errors, []);
    assert.deepEqual(log.requests.filter((request) => !request.startsWith("blob:")), [`file://${path}`]);
    await close();
  });

  test("--open says so when the browser could not be opened, and the page is there all the same", () => {
    for (const [at, PATH] of [opener(3).PATH, logs.folder].entries()) {
      const path = logs.write(`there-${at}/nothing`, "").replace(/nothing$/, "page.html");
      const run = spawnSync(binary, ["inspector", "--open", "--output", path], { env: { PATH }, encoding: "utf8" });
      assert.equal(run.status, 0, run.stderr);
      assert.match(run.stderr, /no browser could be started here: open the file yourself/);
      assert.ok(readFileSync(path).equals(readFileSync(pageFile)));
    }
    assert.equal(spawnSync(binary, ["inspector", "--open", "--output", "-"]).status, 64);
  });
});
