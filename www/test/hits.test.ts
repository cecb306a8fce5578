// What a filter lists: no browser is needed for it.

import { beforeEach, describe, expect, test } from "vitest";
import { MOST_HITS, addHits, forgetHits, hitAt, showHits, shown } from "../src/state/hits";

beforeEach(forgetHits);

describe("the hits of a filter", () => {
  test("are there when they are shown, each at its place", () => {
    addHits(0, Float64Array.of(1, 0, 17, 3, 5e9, 40));
    expect([shown.value, hitAt(0)]).toEqual([0, undefined]);
    addHits(2, Float64Array.of(7, 100, 9));
    showHits();
    expect(shown.value).toBe(3);
    expect([0, 1, 2, 3].map(hitAt)).toEqual([
      { file: 0, line: 0, offset: 0, length: 17 },
      { file: 0, line: 2, offset: 5e9, length: 40 },
      { file: 2, line: 6, offset: 100, length: 9 },
      undefined,
    ]);
  });

  test("are listed up to the limit, across all blocks", () => {
    const places = (from: number, many: number) => Float64Array.from({ length: 3 * many }, (_, at) => from + Math.floor(at / 3) + 1);
    for (let from = 0; from < MOST_HITS + 5000; from += 5000) addHits(1, places(from, 5000));
    showHits();
    expect(shown.value).toBe(MOST_HITS);
    expect([8191, 8192, MOST_HITS - 1].map((row) => hitAt(row)?.line)).toEqual([8191, 8192, MOST_HITS - 1]);
    forgetHits();
    expect([shown.value, hitAt(0)]).toEqual([0, undefined]);
  });
});
