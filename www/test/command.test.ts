// The commands that are shown for what was opened.

import { describe, expect, test } from "vitest";
import { quote, sameCommand } from "../src/take/command";
import { unitsOf } from "../src/read/units";

const units = (...paths: string[]) => unitsOf(paths.map((path) => ({ path, file: new File([], path) })));

describe("the command for each thing that was opened", () => {
  test("names each folder of a folder, and the one around them only when files lie in it", () =>
    expect(units("data/a/x.log", "data/b c/y.log").map(sameCommand)).toEqual(["papyra persistence scan --path data/a", "papyra persistence scan --path 'data/b c'"]));
  test("holds a backup against its manifest", () =>
    expect(units("kept/one/manifest.json", "kept/one/SHA256SUMS").map(sameCommand)).toEqual(["papyra backup verify kept/one"]));
  test("is none for loose files, nor for what lies at the top of an archive", () =>
    expect([...units("a.log"), ...units("x.tar/a.log").map((unit) => ({ ...unit, archive: "x.tar" }))].map(sameCommand)).toEqual([null, null]));
  test("names what is in an archive as it is called once it is unpacked", () =>
    expect(units("x.tar/data/a.log").map((unit) => sameCommand({ ...unit, archive: "x.tar" }))).toEqual(["papyra persistence scan --path data"]));
});

test("a name is one word to a shell, whatever is in it", () => {
  expect(["a b", "-x", "it's", "a\u202eb"].map(quote)).toEqual(["'a b'", "./-x", "'it'\\''s'", "$'a\\U0000202eb'"]);
});
