// Where the address leads, see `address`: to a place in a file, or to a filter.

import * as session from "./session";
import { deepLink, readAddress, takeQuery } from "./address";
import { filter } from "./filter";
import { goToOffset } from "./goto";

export function readLink(): void {
  readAddress();
  landOn();
}

/** Goes to the linked place once the file it names is there, or filters as the link says. */
export function landOn(): void {
  const link = deepLink.value;
  if (session.report.value === null) return;
  if (link === null) {
    takeQuery((query) => void filter(query));
    return;
  }
  const file = session.sources.value.findIndex((source) => source.path === link.file);
  if (file === -1) return;
  const hit = session.found.value.findIndex(
    ({ file: at, anomaly: { offset, length } }) =>
      at === file && offset !== undefined && link.offset >= offset && link.offset < offset + Math.max(1, length ?? 0),
  );
  deepLink.value = null;
  if (hit !== -1) {
    session.reasonFilter.value = null;
    session.selected.value = hit;
  } else {
    void goToOffset(file, link.offset);
  }
}
