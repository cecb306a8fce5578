// What sorts the tables, and that it lasts: no browser is needed for it.

import { computed } from "@preact/signals";
import { beforeEach, describe, expect, test } from "vitest";
import { type FileRow, anomalyColumns, fileColumns, recordColumns, sorted } from "../src/state/columns";

const row = (index: number, path: string, anomalies: number, first?: number): FileRow => ({ index, path, bytes: 100 - index, records: undefined, first, anomalies });
const rows = [row(0, "b.log.10", 0, 30), row(1, "a.log", 7), row(2, "b.log.9", 7, 10)];
const order = (list: readonly FileRow[]) => list.map(({ index }) => index);
const press = (id: string) => fileColumns.getColumn(id)?.toggleSorting();

beforeEach(() => fileColumns.resetSorting(true));

describe("a list", () => {
  test("stays as it came until a head is pressed, and returns to that at the third press", () => {
    expect(sorted(fileColumns, rows)).toBe(rows);
    press("path");
    expect(order(sorted(fileColumns, rows))).toEqual([1, 2, 0]);
    expect(fileColumns.getColumn("path")?.getIsSorted()).toBe("asc");
    press("path");
    expect(order(sorted(fileColumns, rows))).toEqual([0, 2, 1]);
    press("path");
    expect(sorted(fileColumns, rows)).toBe(rows);
  });

  test("has most first where numbers are sorted, and what is equal as it came", () => {
    press("anomalies");
    expect(order(sorted(fileColumns, rows))).toEqual([1, 2, 0]);
  });

  test("has what is not known at its end, in both directions", () => {
    press("first");
    expect(order(sorted(fileColumns, rows))).toEqual([2, 0, 1]);
    press("first");
    expect(order(sorted(fileColumns, rows))).toEqual([0, 2, 1]);
  });

  test("of other rows is sorted as the one before was", () => {
    press("bytes");
    press("bytes");
    expect(order(sorted(fileColumns, rows))).toEqual([2, 1, 0]);
    expect(order(sorted(fileColumns, rows.slice(0, 2)))).toEqual([1, 0]);
  });
});

test("what is computed from a sorted list follows its head", () => {
  const anomaly = (reason: string, length?: number) => ({ file: 0, anomaly: { type: "corrupt", reason, detail: "", ...(length === undefined ? {} : { length }) } });
  const list = [anomaly("torn_write"), anomaly("torn_write", 9), anomaly("torn_write", 80)];
  const seen = computed(() => sorted(anomalyColumns, list).map(({ anomaly }) => anomaly.length));
  expect(seen.value).toEqual([undefined, 9, 80]);
  anomalyColumns.getColumn("length")?.toggleSorting();
  expect(seen.value).toEqual([80, 9, undefined]);
  anomalyColumns.resetSorting(true);
  expect(seen.value).toEqual([undefined, 9, 80]);
});

test("columns of records are hidden and widened, and what is drawn follows", () => {
  const shown = computed(() => recordColumns.getVisibleLeafColumns().map((column) => `${column.id} ${column.getSize()}`));
  expect(shown.value).toContain("type 128");
  recordColumns.getColumn("actor")?.toggleVisibility(false);
  recordColumns.setColumnSizing({ type: 300, kind: 1 });
  expect(shown.value).toEqual(["line 84", "file 150", "kind 104", "type 300", "time 168", "payload 180"]);
  recordColumns.resetColumnSizing();
  recordColumns.resetColumnVisibility();
  expect(shown.value).toContain("actor 128");
});
