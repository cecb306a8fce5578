// `papyra inspector`, from a binary that carries the page: written to a file, and served to a browser.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { once } from "node:events";
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

/** Serves the page; `check` gets its address and what was said on standard error until then. */
async function served(env, check) {
  const server = spawn(binary, ["inspector", "--open"], { env, stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(server, "close"); // it may end by itself
  const said = { out: "", errors: "" };
  server.stdout.on("data", (data) => (said.out += data));
  server.stderr.on("data", (data) => (said.errors += data));
  const until = async (what) => {
    while (!what()) await Promise.race([once(server.stdout, "data"), once(server.stderr, "data"), once(server, "exit").then(() => assert.fail(`it ended: ${said.out}${said.errors}`))]);
  };
  try {
    await until(() => /http:\S+/.test(said.out));
    await check(/http:\S+/.exec(said.out)[0], said, until);
  } finally {
    server.kill();
    await closed;
  }
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

  test("--open serves the page on this machine alone and opens it", async () => {
    const { asked, ...env } = opener(0);
    await served(env, async (url, said) => {
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
      const { page, log, close } = await openPage(browser, url);
      await choose(page, logs.torn());
      assert.match(await settled(page), /Usable after recovery/);
      assert.deepEqual(log.errors, []);
      assert.deepEqual(log.requests.filter((request) => !request.startsWith("blob:")), [url]);
      await close();
      assert.equal(asked(), url);
      assert.equal(said.errors, "");
    });
  });

  test("--open says so when the browser could not be opened, and serves all the same", async () => {
    for (const env of [{ PATH: opener(3).PATH }, { PATH: logs.folder }]) {
      await served(env, async (url, said, until) => {
        await until(() => said.errors.includes("no browser could be started here: open the address yourself"));
        assert.equal((await fetch(url)).status, 200);
      });
    }
  });
});
