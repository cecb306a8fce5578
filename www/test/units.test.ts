// Which of the files that were opened together are looked at by themselves.

import { describe, expect, test } from "vitest";
import type { Source } from "../src/read/source";
import { unitsOf } from "../src/read/units";

const opened = (...paths: string[]): Source[] => paths.map((path) => ({ path, file: new File([], path.split("/").at(-1) ?? "") }));
const told = (...paths: string[]) => unitsOf(opened(...paths)).map(({ name, kind, files }) => [name, kind, files.map(({ path }) => path)]);

describe("units", () => {
  test("loose files are one unit", () => expect(told("b.log", "a.log")).toEqual([["", "files", ["b.log", "a.log"]]]));

  test("each folder is one, and names those in it with what lies in them", () => {
    const units = unitsOf(opened("p/events.ndjson", "p/q/more.ndjson", "p/q/r/deep.ndjson"));
    expect(units.map(({ name, folders }) => [name, folders])).toEqual([["p", ["q", "q/more.ndjson"]], ["p/q", ["r", "r/deep.ndjson"]], ["p/q/r", []]]);
  });

  test("a backup keeps all that is in it", () =>
    expect(told("kept/one/manifest.json", "kept/one/SHA256SUMS", "kept/one/events.ndjson", "kept/one/.papyra-rejected/x.bytes", "kept/two/manifest.json", "kept/two/SHA256SUMS"))
      .toEqual([
        ["kept/one", "backup", ["manifest.json", "SHA256SUMS", "events.ndjson", ".papyra-rejected/x.bytes"]],
        ["kept/two", "backup", ["manifest.json", "SHA256SUMS"]],
      ]));

  test("a file that is only called so is not a backup", () => expect(told("manifest.json")).toEqual([["", "files", ["manifest.json"]]]));

  test("a folder beside a backup is none of its", () =>
    expect(told("kept/one/manifest.json", "kept/one/a", "kept/one-more/b").map(([name]) => name)).toEqual(["kept/one", "kept/one-more"]));

  test("files of one name are told apart", () => expect(told("a.log", "a.log", "b.log").map(([, , files]) => files)).toEqual([["a.log", "b.log"], ["a.log"]]));
});
