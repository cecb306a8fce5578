// A list that draws only what is seen, as a Preact hook over the library's core.

import { Virtualizer, elementScroll, observeElementOffset, observeElementRect } from "@tanstack/virtual-core";
import type { RefObject } from "preact";
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";

export interface VirtualList {
  height: number;
  items: readonly { index: number; start: number }[];
  /** Scrolls just as far as it takes to see this row. */
  show(index: number): void;
}

/** `head`: pixels at the top of the box that stay in place over the rows. */
export function useVirtual(box: RefObject<HTMLElement>, rows: number, rowHeight: number, head = 0): VirtualList {
  const [, redraw] = useReducer((turn: number) => turn + 1, 0);
  const options = {
    count: rows,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    // The rows begin behind the head, and what lies under it is not in sight.
    scrollMargin: head,
    scrollPaddingStart: head,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => redraw(0),
  };
  const held = useRef<Virtualizer<HTMLElement, HTMLElement> | null>(null);
  held.current ??= new Virtualizer<HTMLElement, HTMLElement>(options);
  const virtual = held.current;
  const measured = useRef(rowHeight);
  virtual.setOptions(options);
  if (measured.current !== rowHeight) {
    measured.current = rowHeight;
    virtual.measure();
  }
  useLayoutEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  return {
    height: virtual.getTotalSize(),
    items: virtual.getVirtualItems().map(({ index, start }) => ({ index, start: start - head })),
    show: (index) => {
      if (index >= 0) virtual.scrollToIndex(index, { align: "auto" });
    },
  };
}
