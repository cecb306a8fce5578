// A query's text, edited by clicks.

import { describe, expect, test } from "vitest";
import { exactly, hasTerm, pieces, termsOf, toggled, valueOf, withTerm } from "../src/text/query";

describe("a query's terms", () => {
  test("white space inside quotation marks and expressions parts nothing", () =>
    expect(termsOf(' kind:event  "two words" -type:"a \\" b" /x y/i payload.a:/b c/ /path/to -/z/')).toEqual(
      ["kind:event", '"two words"', '-type:"a \\" b"', "/x y/i", "payload.a:/b c/", "/path/to", "-/z/"]));
  test("what is clicked comes and goes", () => {
    const term = `actor:${exactly('s"1\\')}`;
    expect(term).toBe('actor:"s\\"1\\\\"');
    const once = toggled("crash", term);
    expect(once).toBe(`crash ${term}`);
    expect(hasTerm(once, term)).toBe(true);
    expect(toggled(once, term)).toBe("crash");
  });
  test("a name is asked for once", () => {
    expect(withTerm("time:>1 crash", "time", "1..2")).toBe("crash time:1..2");
    expect(withTerm("time:>1 crash", "time", null)).toBe("crash");
    expect(valueOf("a time:>1", "time")).toBe(">1");
    expect(valueOf("a -time:>1", "time")).toBeNull();
  });
});

test("marks part a text", () => {
  expect(pieces("😀 order", [3, 8])).toEqual([{ text: "😀 ", marked: false }, { text: "order", marked: true }]);
  expect(pieces("ab", [0, 1])).toEqual([{ text: "a", marked: true }, { text: "b", marked: false }]);
  expect(pieces("ab", [])).toEqual([{ text: "ab", marked: false }]);
});
