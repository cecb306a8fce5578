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

export function useVirtual(box: RefObject<HTMLElement>, rows: number, rowHeight: number): VirtualList {
  const [, redraw] = useReducer((turn: number) => turn + 1, 0);
  const options = {
    count: rows,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => redraw(0),
  };
  const held = useRef<Virtualizer<HTMLElement, HTMLElement> | null>(null);
  held.current ??= new Virtualizer<HTMLElement, HTMLElement>(options);
  const virtual = held.current;
  virtual.setOptions(options);
  useLayoutEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  return {
    height: virtual.getTotalSize(),
    items: virtual.getVirtualItems(),
    show: (index) => {
      if (index >= 0) virtual.scrollToIndex(index, { align: "auto" });
    },
  };
}
