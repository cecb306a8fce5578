// What only paper needs: all findings that are listed, what was checked, when and with what.

import { useEffect } from "preact/hooks";
import { signal } from "@preact/signals";
import { found, pathOf, phase, report, sources } from "../state/session";
import { query } from "../state/table";
import { count, hex, plural } from "../text/numbers";
import { visible } from "../text/escape";
import { reasonTitle } from "../text/words";

const printing = signal(false);

/** Prints the page once what paper needs is drawn. */
export function print(): void {
  printing.value = true;
  requestAnimationFrame(() => requestAnimationFrame(() => window.print()));
}

export function Printed() {
  useEffect(() => {
    const begin = () => (printing.value = true);
    const end = () => (printing.value = false);
    addEventListener("beforeprint", begin);
    addEventListener("afterprint", end);
    return () => {
      removeEventListener("beforeprint", begin);
      removeEventListener("afterprint", end);
    };
  }, []);
  const seen = report.value;
  if (!printing.value || seen === null || phase.value !== "done") return null;
  const list = found.value;
  const several = sources.value.length > 1;
  return (
    <section class="print-only" aria-labelledby="printed-title">
      {list.length > 0 && (
        <>
          <h2 id="printed-title">{list.length < seen.totals.anomalies ? `The first ${count(list.length)} of ${plural(seen.totals.anomalies, "anomaly", "anomalies")}` : plural(list.length, "anomaly", "anomalies")}</h2>
          <table>
            <thead><tr>{several && <th scope="col">File</th>}<th scope="col">Line</th><th scope="col">Byte offset</th><th scope="col">Length</th><th scope="col">What is wrong</th></tr></thead>
            <tbody>
              {list.map(({ file, anomaly: { line, offset, length, reason, key, id, detail } }, index) => (
                <tr key={index}>
                  {several && <td class="mono">{visible(pathOf(file))}</td>}
                  <td>{line === undefined ? (id ?? "") : count(line)}</td>
                  <td>{offset === undefined ? "" : `${count(offset)} (${hex(offset)})`}</td>
                  <td>{length === undefined ? "" : count(length)}</td>
                  <td><b>{reasonTitle(reason)}</b>: {key === undefined ? "" : `${visible(key)}, `}{visible(detail)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      <p>Printed {new Date().toISOString().slice(0, 16).replace("T", " ")} UTC; checked with {seen.tool} in the browser.{query.value === "" ? "" : ` History and ranking: ${visible(query.value)}`}</p>
    </section>
  );
}
