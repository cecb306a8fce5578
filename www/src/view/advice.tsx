// For someone who opened something else than a log: what to try instead.

const TRY: [RegExp, string, string][] = [
  [/ZIP|7-Zip|xz|bzip2|tar/, "Unpack it first and open what is inside, or:", "papyra persistence scan --path FOLDER"],
];

export function Advice({ looks }: { looks: string }) {
  const known = TRY.find(([pattern]) => pattern.test(looks));
  const [, words, command] = known ?? [null, "A Papyra log holds one JSON object a line. On the server, the scan finds the logs in a folder by itself:", "papyra persistence scan --path FOLDER"];
  return (
    <div class="advice">
      <p>{words}</p>
      <pre class="command">{command}</pre>
    </div>
  );
}
