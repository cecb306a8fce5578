// JSON as it stands in a log, taken apart without losing a digit: numbers and strings keep their own text, keys their order
// and their doubles. Python's NaN and Infinity are read too. What is no JSON is null.

export interface JsonEntry {
  /** The key's text without quotes and escapes; of an array's entry null. */
  key: string | null;
  value: JsonNode;
}

export type JsonNode =
  | { kind: "object" | "array"; entries: JsonEntry[] }
  /** As it stands, and for a string its text. */
  | { kind: "string" | "number" | "word"; raw: string; text: string };

/** Deeper nesting is shown raw. */
const DEEPEST = 400;

export function parseJson(text: string): JsonNode | null {
  let at = 0;
  const space = () => {
    while (at < text.length && " \t\r\n".includes(text[at] ?? "x")) at += 1;
  };
  const string = (): { raw: string; text: string } | null => {
    const start = at;
    for (at += 1; at < text.length; at += 1) {
      if (text[at] === "\\") at += 1;
      else if (text[at] === '"') {
        at += 1;
        const raw = text.slice(start, at);
        try {
          return { raw, text: JSON.parse(raw) as string };
        } catch {
          // Control characters that Python lets pass.
          return { raw, text: raw.slice(1, -1) };
        }
      }
    }
    return null;
  };
  const value = (depth: number): JsonNode | null => {
    space();
    const first = text[at];
    if (first === undefined || depth > DEEPEST) return null;
    if (first === '"') {
      const found = string();
      return found === null ? null : { kind: "string", ...found };
    }
    if (first === "{" || first === "[") return container(first, depth);
    const raw = /^-?[A-Za-z0-9.+-]+/.exec(text.slice(at, at + 5000))?.[0];
    if (raw === undefined) return null;
    at += raw.length;
    const kind = /^-?\d/.test(raw) ? "number" : "word";
    if (kind === "word" && !["true", "false", "null", "NaN", "Infinity", "-Infinity"].includes(raw)) return null;
    return { kind, raw, text: raw };
  };
  const container = (open: string, depth: number): JsonNode | null => {
    const kind = open === "{" ? "object" : "array";
    const close = open === "{" ? "}" : "]";
    const entries: JsonEntry[] = [];
    at += 1;
    space();
    if (text[at] === close) {
      at += 1;
      return { kind, entries };
    }
    for (;;) {
      let key: string | null = null;
      space();
      if (kind === "object") {
        const found = text[at] === '"' ? string() : null;
        if (found === null) return null;
        key = found.text;
        space();
        if (text[at] !== ":") return null;
        at += 1;
      }
      const inner = value(depth + 1);
      if (inner === null) return null;
      entries.push({ key, value: inner });
      space();
      if (text[at] === close) {
        at += 1;
        return { kind, entries };
      }
      if (text[at] !== ",") return null;
      at += 1;
    }
  };
  const whole = value(0);
  space();
  return at === text.length ? whole : null;
}

/** Two blanks a level; numbers and strings as they stand. */
export function pretty(node: JsonNode, indent = ""): string {
  if ("raw" in node) return node.raw;
  const [open, close] = node.kind === "object" ? "{}" : "[]";
  if (node.entries.length === 0) return `${open}${close}`;
  const inner = `${indent}  `;
  const lines = node.entries.map(({ key, value }) => `${inner}${key === null ? "" : `${JSON.stringify(key)}: `}${pretty(value, inner)}`);
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}
