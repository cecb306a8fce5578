// The text of a query as people edit it: its terms, and terms put in or taken out. What they mean is for core.

/** The terms of a query as they stand: a term ends at white space outside of quotation marks and expressions. */
export function termsOf(query: string): string[] {
  return query.match(/-?(?:[\w.]+:)?(?:"(?:\\.|[^"\\])*"|\/(?:\\.|[^/\\])+\/i?(?=\s|$)|\S+)\S*/g) ?? [];
}

/** Whether the term stands in the query as it is. */
export function hasTerm(query: string, term: string): boolean {
  return termsOf(query).includes(term);
}

/** The query with this term, or without it when it has it. */
export function toggled(query: string, term: string): string {
  const terms = termsOf(query);
  return (terms.includes(term) ? terms.filter((other) => other !== term) : [...terms, term]).join(" ");
}

/** The query with `name:value` in the place of what it asks of `name` so far; without any for null. */
export function withTerm(query: string, name: string, value: string | null): string {
  const others = termsOf(query).filter((term) => !term.startsWith(`${name}:`));
  return (value === null ? others : [...others, `${name}:${value}`]).join(" ");
}

/** What stands behind `name:` in the query. */
export function valueOf(query: string, name: string): string | null {
  return termsOf(query).find((term) => term.startsWith(`${name}:`))?.slice(name.length + 1) ?? null;
}

/** A whole value, to the letter. */
export function exactly(value: string): string {
  return `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** A text in pieces, those between marks (beginnings and ends in turn) marked. */
export function pieces(text: string, marks: readonly number[]): { text: string; marked: boolean }[] {
  const ends = [0, ...marks, text.length];
  const list = ends.slice(1).map((end, index) => ({ text: text.slice(ends[index], end), marked: index % 2 === 1 }));
  return list.filter(({ text }) => text !== "");
}
