// Small files that are read once for the look at them and the scan.

import { beforeEach, expect, test, vi } from "vitest";
import { letGo, partOf, wholeOf } from "../src/read/held";

beforeEach(letGo);

const fileOf = (bytes: number) => {
  const file = new Blob([new Uint8Array(bytes).map((_, at) => at)]);
  return { file, reads: vi.spyOn(file, "arrayBuffer"), slices: vi.spyOn(file, "slice") };
};

test("both ends and the whole of a small file come from one read", async () => {
  const { file, reads, slices } = fileOf(100);
  const [start, end] = await Promise.all([partOf(file, 0, 4), partOf(file, 90, 100)]);
  expect([...start, ...end]).toEqual([0, 1, 2, 3, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
  // Whoever gets a part may give it away: the rest stays.
  structuredClone(start, { transfer: [start.buffer] });
  expect(new Uint8Array(await wholeOf(file))[3]).toBe(3);
  expect([reads.mock.calls.length, slices.mock.calls.length]).toEqual([1, 0]);
});

test("who asks for the whole twice gets bytes of its own each time", async () => {
  const { file, reads } = fileOf(100);
  await partOf(file, 0, 4);
  expect(await wholeOf(file)).not.toBe(await wholeOf(file));
  expect(reads.mock.calls.length).toBe(2);
});

test("of a large file only the part is read", async () => {
  const { file, reads } = fileOf(600 << 10);
  expect((await partOf(file, 0, 4)).length).toBe(4);
  expect(reads.mock.calls.length).toBe(0);
});

test("no more is kept than so much in all, until something else is opened", async () => {
  // Files as large as they say they are would take long to make.
  const said = () => ({ size: 400 << 10, arrayBuffer: vi.fn(async () => new ArrayBuffer(1)), slice: () => new Blob(["x"]) });
  const files = Array.from({ length: 130 }, said);
  for (const file of files) await partOf(file as unknown as Blob, 0, 1);
  expect(files.filter(({ arrayBuffer }) => arrayBuffer.mock.calls.length > 0).length).toBe(Math.floor((48 << 20) / (400 << 10)));
  letGo();
  const later = said();
  await partOf(later as unknown as Blob, 0, 1);
  expect(later.arrayBuffer.mock.calls.length).toBe(1);
});
