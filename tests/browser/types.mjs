// Reads reports (JSON text by name) and writes TypeScript that only compiles when the page's types fit them exactly.

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const reports = JSON.parse(Buffer.concat(chunks).toString("utf8"));

console.log('import type { Report } from "../../web/package/src/report";\n');
for (const [name, text] of Object.entries(reports)) {
  // A file that cannot be read has a reason and no report.
  if (!text.startsWith("{")) continue;
  const report = JSON.parse(text);
  // A few findings of each file are as good as a thousand.
  for (const file of report.files) file.anomalies = file.anomalies.slice(0, 5);
  console.log(`export const ${name} = ${JSON.stringify(report)} satisfies Report;`);
}
