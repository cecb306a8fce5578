// A backup folder in the page: the same verdict as `papyra backup verify`, and a manifest that is not believed.

import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { backup, flip, forge } from "./backups.mjs";
import { axeFinds, fileUrl, launch, openPage, run, settled, withoutPapyra } from "./browser.mjs";
import * as logs from "./logs.mjs";

let browser;
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  rmSync(logs.folder, { recursive: true, force: true });
});

/** Chooses the folder and hands over the settled page. */
async function opened(folder, check, url = fileUrl(), options = {}) {
  const { page, log, close } = await openPage(browser, url, options);
  try {
    await page.locator("main input[webkitdirectory]").setInputFiles(folder);
    const title = (await settled(page)).replace(/\s+/g, " ");
    await check(page, title);
    assert.deepEqual(log.errors, []);
  } finally {
    await close();
  }
}

/** What the page says in its report is what the command says; the page's own words aside. */
async function asVerified(page, folder) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "JSON report" }).click()]);
  const verified = JSON.parse(run("backup", "verify", folder, "--format", "json").out);
  assert.deepEqual(JSON.parse(readFileSync(await file.path(), "utf8")), verified.scan);
  const text = (await page.locator(".backup").innerText()).replace(/\s+/g, " ");
  for (const { file, detail, recovery } of verified.damage) {
    for (const words of [file, detail.slice(1), recovery.slice(1)]) assert.ok(text.includes(words), `${words}: ${text}`);
  }
  for (const path of verified.foreign) assert.ok(text.includes(path), `${path}: ${text}`);
  return verified;
}

describe("a backup folder", { skip: withoutPapyra }, () => {
  for (const compress of ["none", "gzip", "zstd"]) {
    test(`is verified as the command does, compression ${compress}`, async () => {
      const folder = backup({ compress });
      for (const url of [fileUrl(), fileUrl("#chunk=1000")]) {
        await opened(folder, async (page, title) => {
          assert.equal(title, "Verified backup");
          assert.match(await page.locator(".verdict").innerText(), /3 files as written, byte for byte, and every one of 9,100 lines/);
          assert.deepEqual(await page.locator(".file-name .mono").allInnerTexts(), ["rot.log.2", "rot.log.1", "rot.log"]);
          assert.equal((await asVerified(page, folder)).intact, true);
          await page.locator("#record-filter").fill("ActorCrashed s:4");
          await page.getByText(/hits$/).waitFor();
        }, url);
      }
    });
  }

  test("of a damaged log is intact, and the log is repaired from it", async () => {
    const folder = backup({ damaged: true, compress: "zstd" });
    await opened(folder, async (page, title) => {
      assert.equal(title, "Intact backup: the log had 1 anomaly");
      assert.equal((await asVerified(page, folder)).scan.totals.anomalies, 1);
      assert.match(await page.locator(".backup .command").innerText(), /^papyra backup restore one --to restored\/ && papyra persistence recover/);
      const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Repaired file" }).click()]);
      assert.equal(readFileSync(await file.path(), "utf8"), logs.lines(6000, 9000));
    });
  });

  for (const [compress, suffix] of [["none", ""], ["gzip", ".gz"], ["zstd", ".zst"]]) {
    test(`with one bit flipped in any of its files is damaged, compression ${compress}`, async () => {
      const whole = backup({ compress });
      for (const name of ["rot.log.2", "rot.log.1", "rot.log"]) {
        const folder = `${whole}-${name}`;
        cpSync(whole, folder, { recursive: true });
        flip(join(folder, name + suffix));
        await opened(folder, async (page, title) => {
          assert.equal(title, "Damaged backup: 1 of 3 files");
          const text = (await page.locator(".backup").innerText()).replace(/\s+/g, " ");
          assert.match(text, new RegExp(`${name}${suffix} (Its bytes are not those that were written|It cannot be read past byte)`));
          assert.equal(await page.getByText("not as written").count(), 1);
          // Plain bytes are the same whoever reads them; how far a broken archive unpacks is its reader's affair.
          if (compress === "none") await asVerified(page, folder);
          else assert.equal(run("backup", "verify", folder).code, 2);
        });
      }
    });
  }

  test("with a byte too many, a byte too few, and a file that is not its own", async () => {
    const folder = backup();
    writeFileSync(join(folder, "rot.log"), `${readFileSync(join(folder, "rot.log"), "utf8")}\n`);
    writeFileSync(join(folder, "rot.log.1"), readFileSync(join(folder, "rot.log.1")).subarray(0, -1));
    writeFileSync(join(folder, "notes.txt"), "x");
    await opened(folder, async (page, title) => {
      assert.equal(title, "Damaged backup: 2 of 3 files");
      assert.equal((await asVerified(page, folder)).damage.length, 2);
    });
  });

  test("with a file missing says which", async () => {
    const folder = backup();
    unlinkSync(join(folder, "rot.log.1"));
    await opened(folder, async (page, title) => {
      assert.equal(title, "Damaged backup: 1 of 3 files");
      assert.match(await page.locator(".damage").innerText(), /rot\.log\.1\s+It is not there\.\s+Nothing of it can be brought back/);
    });
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`damaged and refused can be read by everybody, in ${colorScheme}, on 320 pixels`, async () => {
      const folder = backup({ compress: "zstd" });
      flip(join(folder, "rot.log.1.zst"));
      writeFileSync(join(folder, "a-file-that-is-no-part-of-this-backup-and-has-a-very-long-name.txt"), "x");
      const options = { colorScheme, viewport: { width: 320, height: 640 } };
      const look = async (page) => {
        assert.deepEqual(await axeFinds(page), []);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320), "nothing is cut off");
      };
      await opened(folder, look, fileUrl(), options);
      forge(folder, (manifest) => (manifest.name = ".."));
      await opened(folder, look, fileUrl(), options);
    });
  }

  test("brings along what recovery had set aside, unscanned", async () => {
    const folder = backup({ rejects: true });
    await opened(folder, async (page, title) => {
      assert.equal(title, "Verified backup");
      assert.equal((await asVerified(page, folder)).files, 4);
    });
    flip(join(folder, ".papyra-rejected", "rot.log.1.bytes"));
    await opened(folder, async (page, title) => {
      assert.equal(title, "Damaged backup: 1 of 4 files");
      await asVerified(page, folder);
    });
  });

  const forgeries = {
    "with a name that leads out": [(manifest) => {
      manifest.files[0].path = manifest.files[0].stored = "../rot.log.2";
      manifest.scan.files[0].path = "../rot.log.2";
    }, /leads out of the backup's folder/],
    "without files": [(manifest) => (manifest.files = []), /it lists no files/],
    "of another schema": [(manifest) => (manifest.schema = "<img src=x onerror=alert(1)>\u202e"), /its schema is "<img src=x/],
    "with a size that no file has": [(manifest) => (manifest.files[0].bytes = manifest.files[0].stored_bytes = 2 ** 53), /cannot have|checksums of/],
  };
  for (const [what, [change, why]] of Object.entries(forgeries)) {
    test(`is refused for a manifest ${what}, and its logs can still be scanned`, async () => {
      const folder = backup();
      forge(folder, change);
      assert.equal(run("backup", "verify", folder).code, 65);
      await opened(folder, async (page, title) => {
        assert.match(title, /^Not verified/);
        const text = await page.locator("main").innerText();
        assert.match(text, why);
        assert.doesNotMatch(text, /\u202e/);
        assert.equal(await page.locator("main img").count(), 0);
        await page.getByRole("button", { name: "Scan its logs alone" }).click();
        await page.getByRole("heading", { name: "Valid backup" }).waitFor();
      });
    });
  }

  test("is refused when manifest.json and SHA256SUMS disagree, or one is gone", async () => {
    const folder = backup();
    flip(join(folder, "SHA256SUMS"));
    await opened(folder, async (page) => assert.match(await page.locator(".verdict").innerText(), /SHA256SUMS cannot be trusted/));
    unlinkSync(join(folder, "SHA256SUMS"));
    await opened(folder, async (page) => assert.match(await page.locator(".verdict").innerText(), /It has no SHA256SUMS/));
  });

  test("unpacks no further than its manifest allows", async () => {
    const folder = backup({ compress: "gzip" });
    writeFileSync(join(folder, "rot.log.gz"), gzipSync(Buffer.alloc(300 << 20, " ")));
    await opened(folder, async (page, title) => {
      assert.equal(title, "Damaged backup: 1 of 3 files");
      assert.match(await page.locator(".damage").innerText(), /rot\.log\.gz\s+It has [\d]+ bytes, more than the \d+ that were written/);
    });
  });
});
