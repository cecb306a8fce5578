// Text that comes out of a log, and numbers in words.

import { describe, expect, test } from "vitest";
import { visible, visibleBytes } from "../src/text/escape";
import { parseJson, pretty } from "../src/text/json";
import { age, every, exactSize, moment } from "../src/text/numbers";

describe("what cannot be seen is spelled out", () => {
  for (const [name, char] of Object.entries({ tag: "\u{e0041}", filler: "\u3164", "blank braille": "\u2800", "right-to-left mark": "\u202e", "zero width": "\u200b", "lone surrogate": "\ud800", "half width filler": "\uffa0" })) {
    test(name, () => expect(visible(`a${char}b`)).toMatch(/^a\\u\{[0-9a-f]+\}b$/));
  }
  test("letters and emoji stay", () => expect(visible("zoë 東京 👍🏽")).toBe("zoë 東京 👍🏽"));
  test("bytes that are no UTF-8", () => expect(visibleBytes(new Uint8Array([0x61, 0xff, 0xc3, 0xab]))).toBe("a\\xffë"));
});

describe("JSON as it stands", () => {
  test("no digit is lost, keys keep order and doubles", () => {
    const text = '{"n": 12345678901234567890.10, "b": [1, NaN, -Infinity], "n": "a\\u0041", "": {}, "t": true}';
    expect(pretty(parseJson(text) ?? { kind: "array", entries: [] })).toBe(
      '{\n  "n": 12345678901234567890.10,\n  "b": [\n    1,\n    NaN,\n    -Infinity\n  ],\n  "n": "a\\u0041",\n  "": {},\n  "t": true\n}');
  });
  for (const wrong of ["", "{", '{"a"}', "[1,]", "{} {}", "nope", '{"a": 1', "[".repeat(1000)]) {
    test(`"${wrong.slice(0, 12)}" is none`, () => expect(parseJson(wrong)).toBeNull());
  }
});

describe("numbers", () => {
  test("a size does not break inside its brackets", () => expect(exactSize(8680)).toBe("8.5 KiB (8,680\u00a0bytes)"));
  test("one line is the only one", () => expect([every(1, "line"), every(53, "line")]).toEqual(["the only line", "every one of 53 lines"]));
  test("milliseconds where they are asked for", () => expect(moment(1_767_225_600.25, true)).toBe("2026-01-01 00:00:00.250 UTC"));
  test("ages are told in the largest unit that fits", () => {
    const ago = (seconds: number) => age(new Date(Date.now() - seconds * 1000).toISOString());
    expect([ago(5), ago(600), ago(3 * 3600 + 60), ago(5 * 86_400 + 60), ago(-3600), age("x")]).toEqual(
      ["just now", "10 min ago", "3 h ago", "5 days ago", "in the future", "at an unknown time"]);
  });
});
