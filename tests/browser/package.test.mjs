// The npm package from outside: installed from its archive, in Node, Chromium and Firefox, against the command line.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, dirname, extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, describe, test } from "node:test";
import puppeteer from "puppeteer-core";
import { PATIENCE, launch, patient, root, run, withoutPapyra } from "./browser.mjs";
import * as dumps from "./dumps.mjs";
import * as logs from "./logs.mjs";

/** A project of somebody else, who has installed the package. */
let project;
let lib;
before(async () => {
  project = mkdtempSync(join(logs.folder, "project-"));
  const [archive] = readdirSync(join(root, "web/dist")).filter((name) => name.endsWith(".tgz"));
  writeFileSync(join(project, "package.json"), '{"private": true, "type": "module"}');
  execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", join(root, "web/dist", archive)], { cwd: project });
  lib = await import(pathToFileURL(join(project, "node_modules/papyra-web/node.js")).href);
});
after(() => rmSync(logs.folder, { recursive: true, force: true }));

const fileOf = (path) => new File([readFileSync(path)], basename(path));
const reported = (path) => JSON.parse(run("persistence", "scan", "--path", path, "--format", "json").out);

const single = {
  clean: logs.clean, torn: logs.torn, glued: logs.glued, empty: logs.empty, picture: logs.picture, nasty: logs.nasty,
  gzip: logs.gzip, "gzip cut in the middle": logs.gzipCut, "zstd cut in the middle": logs.zstdCut, "a Redis dump": dumps.dump,
};

describe("in Node", { skip: withoutPapyra }, () => {
  for (const [name, make] of Object.entries(single)) {
    test(`the report on "${name}" is the command's`, async () => {
      const path = make();
      for (const chunk of [undefined, 1, 777]) {
        if (chunk === 1 && readFileSync(path).length > 20_000) continue;
        assert.deepEqual(await lib.scan(fileOf(path), undefined, chunk === undefined ? {} : { chunk }), reported(path));
      }
    });
  }

  test("a rotation set and a folder of append-only files, in any order", async () => {
    const set = logs.rotation();
    assert.deepEqual(await lib.scan([set[2], set[0], set[3], set[1]].map(fileOf)), reported(dirname(set[0])));
    const aof = dumps.folder({ damaged: true });
    assert.deepEqual(await lib.scan([...aof].reverse().map(fileOf)), reported(dirname(aof[0])));
  });

  test("a program that imports it by its name scans a file on disk and says how far it is", () => {
    writeFileSync(join(project, "program.js"), `
      import { openAsBlob } from "node:fs";
      import { scan } from "papyra-web";
      const path = process.argv[2];
      const told = [];
      const report = await scan(await openAsBlob(path), (progress) => told.push(progress), { name: "events.ndjson", chunk: 1000 });
      console.log(JSON.stringify({ report, told }));`);
    const path = logs.glued();
    const { report, told } = JSON.parse(execFileSync("node", [join(project, "program.js"), path], { encoding: "utf8" }));
    assert.deepEqual(report, reported(path));
    const size = readFileSync(path).length;
    assert.deepEqual(told.at(-1), { bytes: size, total: size, records: lib.recordTotal(report.totals.records) });
    assert.ok(told.length > 2 && told.every(({ bytes }, at) => at === 0 || bytes > told[at - 1].bytes));
  });

  test("what cannot be scanned is said, and a scan that was cancelled ends", async () => {
    const zip = logs.write("package/a.zip", Buffer.from("504b0506000000000000000000000000000000000000", "hex"));
    await assert.rejects(lib.scan(fileOf(zip)), (error) => error instanceof lib.ScanError && /^a\.zip is .*zip.*unpack it first/i.test(error.message));
    await assert.rejects(lib.scan([fileOf(logs.picture()), new File(["x"], "notes.txt")]), lib.ScanError);
    await assert.rejects(lib.scan([fileOf(logs.clean()), fileOf(logs.torn())]), /same name/);
    const cancel = new AbortController();
    const scanning = lib.scan(fileOf(logs.clean()), () => cancel.abort(new Error("enough")), { signal: cancel.signal, chunk: 1000 });
    await assert.rejects(scanning, /enough/);
    // And the next one is not disturbed.
    assert.equal((await lib.scan(fileOf(logs.clean()))).verdict, "clean");
  });

  test("its types are those of the examples", () => {
    const readme = readFileSync(join(project, "node_modules/papyra-web/README.md"), "utf8");
    const [example] = readme.match(/(?<=```ts\n)[^]*?(?=```)/);
    writeFileSync(join(project, "example.ts"), `${example}\nexport const wrong = (report: Report) =>\n  // @ts-expect-error: there is no such field\n  report.verdicts;\n`);
    for (const [module, resolution] of [["NodeNext", "NodeNext"], ["ESNext", "Bundler"]]) {
      const options = ["--noEmit", "--strict", "--target", "ES2022", "--lib", "ES2023,DOM", "--module", module, "--moduleResolution", resolution];
      const checked = spawnSync("node", [join(root, "www/node_modules/typescript/bin/tsc"), ...options, "example.ts"], { cwd: project, encoding: "utf8" });
      assert.equal(checked.status, 0, checked.stdout);
    }
  });
});

describe("in browsers", { skip: withoutPapyra }, () => {
  const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };
  let server;
  let address;
  before(async () => {
    server = createServer((request, response) => {
      if (request.url === "/") return response.setHeader("content-type", "text/html").end("<title>a console</title>");
      const path = join(project, request.url);
      if (!existsSync(path)) return response.writeHead(404).end();
      response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream").end(readFileSync(path));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${server.address().port}/`;
  });
  after(() => server.close());

  /** Runs in the page. */
  const scanned = async ({ files, chunk }) => {
    const { scan } = await import("/node_modules/papyra-web/index.js");
    const list = files.map(({ name, base64 }) => new File([Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))], name));
    let told = 0;
    const report = await scan(list.length === 1 ? list[0] : list, ({ bytes }) => (told = bytes), { chunk });
    return { report, told };
  };
  const sent = (paths) => ({ chunk: 1000, files: paths.map((path) => ({ name: basename(path), base64: readFileSync(path).toString("base64") })) });

  async function reports(evaluate) {
    for (const paths of [[logs.glued()], [logs.gzip()], [dumps.dump()], logs.rotation()]) {
      const { report, told } = await evaluate(scanned, sent(paths));
      assert.deepEqual(report, reported(paths.length === 1 ? paths[0] : dirname(paths[0])));
      assert.ok(told > 0);
    }
  }

  test("Chromium gives the command's reports", async () => {
    const browser = await launch();
    const page = patient(await browser.newPage());
    await page.goto(address);
    await reports((work, given) => page.evaluate(work, given));
    await browser.close();
  });

  test("Firefox gives the command's reports", { timeout: PATIENCE }, async () => {
    const executablePath = process.env.FIREFOX ?? ["/usr/bin/firefox-esr", "/usr/bin/firefox"].find(existsSync);
    const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true });
    const page = patient(await browser.newPage());
    await page.goto(address);
    await reports((work, given) => page.evaluate(work, given));
    await browser.close();
  });
});
