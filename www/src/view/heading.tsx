// The head of a column: a button that sorts by it, or an edge that moves. What it does is kept in state/columns.ts.

import { type RecordColumn, type SortColumn, recordColumns } from "../state/columns";

const DIRECTIONS = { asc: "ascending", desc: "descending" } as const;
const ARROWS = { asc: "M4 10l4-5 4 5", desc: "M4 6l4 5 4-5" } as const;

/** For the element with the role: none of it is told while the list is as it came. */
export function direction(column: SortColumn): "ascending" | "descending" | "none" {
  const sorted = column.getIsSorted();
  return sorted === false ? "none" : DIRECTIONS[sorted];
}

export function SortButton({ column, onSort }: { column: SortColumn; onSort?: () => void }) {
  const sorted = column.getIsSorted();
  const sort = () => (onSort === undefined ? column.toggleSorting() : onSort());
  return (
    <button type="button" class="sort" onClick={sort}>
      {String(column.columnDef.header)}
      <svg class="icon" width="14" height="14" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
        {sorted === false ? <><path d="M5 6l3-3.5L11 6" /><path d="M5 10l3 3.5 3-3.5" /></> : <path d={ARROWS[sorted]} />}
      </svg>
    </button>
  );
}

/** A head in a table of the browser's own. */
export function SortHead({ column, name }: { column: SortColumn; name?: string }) {
  return <th scope="col" class={name} aria-sort={direction(column)}><SortButton column={column} /></th>;
}

const STEP = 16;

/** The edge of a column: dragged, or moved by arrow keys; a double click and Enter put it back. */
export function Edge({ column }: { column: RecordColumn }) {
  const header = recordColumns.getLeafHeaders().find((header) => header.column.id === column.id);
  const { minSize = 0, maxSize = 0 } = column.columnDef;
  const width = (size: number) => recordColumns.setColumnSizing((sizes) => ({ ...sizes, [column.id]: Math.max(minSize, Math.min(maxSize, size)) }));
  const keys = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (by !== undefined) width(column.getSize() + by);
    else if (event.key === "Home") width(minSize);
    else if (event.key === "Enter") column.resetSize();
    else return;
    event.preventDefault();
    event.stopPropagation(); // or the rows move, too
  };
  return (
    <span class={`edge${column.getIsResizing() ? " moving" : ""}`} role="separator" aria-orientation="vertical" aria-label={`Width of ${String(column.columnDef.header)}`}
      aria-valuenow={Math.round(column.getSize())} aria-valuemin={minSize} aria-valuemax={maxSize} tabIndex={0} title="Drag, or use the arrow keys; a double click puts it back"
      onMouseDown={header?.getResizeHandler()} onTouchStart={header?.getResizeHandler()} onDblClick={() => column.resetSize()} onKeyDown={keys} />
  );
}
