// The tables' columns: what sorts them, how wide they are, which are shown. The library keeps that in signals, for as long as the page is
// open, whatever is opened in it meanwhile. What a cell looks like is for the views.

import {
  type Column, type Table, columnResizingFeature, columnSizingFeature, columnVisibilityFeature, constructTable, createColumnHelper, createSortedRowModel,
  rowSortingFeature, sortFn_alphanumeric, sortFn_basic, tableFeatures,
} from "@tanstack/table-core";
import type { TableReactivityBindings } from "@tanstack/table-core/reactivity";
import { type ReadonlySignal, batch, computed, signal, untracked } from "@preact/signals";
import type { Ranked } from "../engine/protocol";
import type { Anomaly } from "../../../web/package/src/report";
import { reasonTitle } from "../text/words";

/** The library's atoms are our signals: what reads one while it is drawn or computed follows it. */
function atomOf<Value>(held: ReadonlySignal<Value>) {
  return {
    get: () => held.value,
    subscribe: (told: ((value: Value) => void) | { next?: (value: Value) => void }) => ({
      unsubscribe: held.subscribe((value) => (typeof told === "function" ? told(value) : told.next?.(value))),
    }),
  };
}

const coreReactivityFeature: TableReactivityBindings = {
  createOptionsStore: false,
  wrapExternalAtoms: false,
  addSubscription: () => undefined,
  batch,
  untrack: untracked,
  schedule: queueMicrotask,
  createReadonlyAtom: (compute) => atomOf(computed(compute)),
  createWritableAtom: <Value>(value: Value) => {
    const held = signal(value);
    const set = (next: Value | ((before: Value) => Value)) => (held.value = next instanceof Function ? next(held.peek()) : next);
    return { ...atomOf(held), set };
  },
};

const layout = tableFeatures({ coreReactivityFeature, columnSizingFeature, columnResizingFeature, columnVisibilityFeature });
const sorting = tableFeatures({ coreReactivityFeature, rowSortingFeature, sortedRowModel: createSortedRowModel() });

const record = createColumnHelper<typeof layout, object>();

/** The widths are pixels where all stands in one line; where it does not they are proportions. The payload takes the rest. */
export const recordColumns = constructTable({
  features: layout,
  columns: record.columns([
    record.display({ id: "line", header: "Line", size: 84, minSize: 64, enableHiding: false }),
    record.display({ id: "file", header: "File", size: 150, minSize: 80 }),
    record.display({ id: "kind", header: "Kind", size: 116, minSize: 104 }),
    record.display({ id: "type", header: "Type", size: 128, minSize: 80 }),
    record.display({ id: "actor", header: "Actor", size: 128, minSize: 80 }),
    record.display({ id: "time", header: "Time", size: 168, minSize: 156 }),
    record.display({ id: "payload", header: "Payload", size: 180, enableHiding: false, enableResizing: false }),
  ]),
  data: [],
  defaultColumn: { maxSize: 1200 },
  columnResizeMode: "onChange",
});

export type RecordColumn = Column<typeof layout, object>;
/** As much of a column as its head needs. */
export interface SortColumn {
  columnDef: { header?: unknown };
  getIsSorted(): false | "asc" | "desc";
  toggleSorting(): void;
}

const found = createColumnHelper<typeof sorting, { file: number; anomaly: Anomaly }>();

export const anomalyColumns = constructTable({
  features: sorting,
  columns: found.columns([
    found.accessor(({ anomaly }) => reasonTitle(anomaly.reason), { id: "reason", header: "What is wrong", sortFn: sortFn_alphanumeric, sortDescFirst: false }),
    found.accessor(({ anomaly }) => anomaly.length, { id: "length", header: "Bytes", sortFn: sortFn_basic, sortUndefined: "last" }),
  ]),
  data: [],
  enableMultiSort: false,
});

const actor = createColumnHelper<typeof sorting, Ranked["actors"][number]>();

export const actorColumns = constructTable({
  features: sorting,
  columns: actor.columns([
    actor.accessor("name", { header: "Actor", sortFn: sortFn_alphanumeric, sortDescFirst: false }),
    actor.accessor("crashes", { header: "Crashes", sortFn: sortFn_basic }),
    actor.accessor("restarts", { header: "Restarts", sortFn: sortFn_basic }),
    actor.accessor(({ last }) => last ?? undefined, { id: "last", header: "Last", sortFn: sortFn_basic, sortUndefined: "last", sortDescFirst: true }),
    actor.accessor("reason", { header: "Last crash's reason", sortFn: sortFn_alphanumeric, sortDescFirst: false }),
  ]),
  data: [],
  enableMultiSort: false,
});

/** What a row of the files says that they can be sorted by; `index` is the source's. */
export interface FileRow {
  index: number;
  path: string;
  bytes: number;
  records: number | undefined;
  first: number | undefined;
  anomalies: number;
}

const file = createColumnHelper<typeof sorting, FileRow>();

export const fileColumns = constructTable({
  features: sorting,
  columns: file.columns([
    file.accessor("path", { header: "File", sortFn: sortFn_alphanumeric, sortDescFirst: false }),
    file.accessor("anomalies", { header: "Anomalies", sortFn: sortFn_basic }),
    file.accessor("bytes", { header: "Size", sortFn: sortFn_basic }),
    file.accessor("records", { header: "Records", sortFn: sortFn_basic, sortUndefined: "last" }),
    file.accessor("first", { header: "Time span", sortFn: sortFn_basic, sortUndefined: "last", sortDescFirst: false }),
  ]),
  data: [],
  enableMultiSort: false,
});

/** The list in the order that its table's head asks for; as it is while that asks for none. */
export function sorted<Item extends object>(table: Table<typeof sorting, Item>, list: readonly Item[]): readonly Item[] {
  if (table.atoms.sorting.get().length === 0) return list;
  table.setOptions((before) => ({ ...before, data: list }));
  return table.getRowModel().rows.map(({ original }) => original);
}
