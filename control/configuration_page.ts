/**
 * Writes the reference page of all options.
 *
 * Called by: control/write_configuration_page.ts, and the test that compares the page with the options.
 * Calls: core/config.ts.
 *
 * @module
 */
import type { AnyOption, RefusedKeys } from "../core/config.ts";
import type { OptionGroup } from "./known_options.ts";

const INTRODUCTION = `<!-- deno-fmt-ignore-file -->

# Configuration

<!-- Written by a program from the options in the code. To change this page, change them and run \`deno task docs:config\`. -->

An option is set in one of these places; the first that has it counts:

1. **Code**: \`StreamEnvironment.create({ config: { "parallelism.default": 4 } })\`.
2. **Command line**: \`-Dparallelism.default=4\`, as often as needed. \`--parallelism 4\` (\`-p 4\`), \`--from latest\` and
   \`--allow-non-restored-state\` are short for \`parallelism.default\`, \`execution.state-recovery.path\` and
   \`execution.state-recovery.ignore-unclaimed-state: true\`. \`--help\` lists what a script accepts.
3. **Environment**: \`WEIR_PARALLELISM_DEFAULT=4\`; the key in upper case, with \`_\` for \`.\` and \`-\`. Needs \`--allow-env\`. An
   empty variable counts as absent.
4. **File**: \`weir.yaml\` in the working directory, or the one that \`--config FILE\` names. Needs \`--allow-read=weir.yaml\`,
   and \`--allow-env\` because the YAML parser looks for switches of its own. Keys may be written with dots, nested, or both:

   \`\`\`yaml
   parallelism.default: 4
   execution:
     checkpointing:
       interval: 10 s
       dir: out/checkpoints
   \`\`\`
5. **Default**.

Without the permission for it, the environment or \`weir.yaml\` is passed over, and a line on standard error says so; a file
named by \`--config\` must be readable.
An unknown key, or a value of another type, is an error that names the nearest key, and ends the program with exit code 2.
Durations are written \`500 ms\`, \`10 s\`, \`10 min\`, \`2 h\`, \`3 d\` (a plain number is milliseconds), sizes \`20 kb\`, \`64 mb\`,
\`1 gb\` (powers of 1,024; a plain number is bytes). Wherever values are shown, those of keys that hold a password, secret,
token, credential or API key are masked.

Keys are Apache Flink's where the meaning is; keys of earlier versions are accepted and the new spelling is named once.
`;

const PASSED_OVER = `## Passed over

A configuration file of Apache Flink starts a job as it is: \`deno run pipeline.ts --config flink-conf.yaml\`. These of its keys
are about a cluster or a JVM that does not exist here. No result depends on them; they are named in one notice at the start
([how it was decided](decisions/0005-configuration-of-flink.md)).

`;

/** The page, in Markdown. */
export function configurationPage(groups: readonly OptionGroup[], refused: readonly RefusedKeys[]): string {
  const sections = groups.map(({ title, options }) => `\n## ${title}\n\n${optionTable(options)}`);
  const ignored = refused.filter(({ isIgnored }) => isIgnored);
  const last = [
    `## Not yet, or never\n\n${refusedTable(refused.filter(({ isIgnored }) => !isIgnored))}`,
    ...(ignored.length === 0 ? [] : [`${PASSED_OVER}${ignoredTable(ignored)}`]),
  ];
  return `${INTRODUCTION}${sections.join("")}\n${last.join("\n")}`;
}

function optionTable(options: readonly AnyOption[]): string {
  const rows = options.map((option) => {
    const old = option.oldNames.map((name) => code(name)).join(", ");
    const meaning = old === "" ? option.description : `${option.description} Old name: ${old}.`;
    // The page says once how durations and sizes are written.
    const wanted = option.wanted.replace(/ such as "[^"]*"(?: or "[^"]*")?/, "");
    return row([code(option.key), wanted, code(option.format(option.defaultValue)), meaning]);
  });
  return [row(["key", "value", "default", "meaning"]), row(["---", "---", "---", "---"]), ...rows, ""].join("\n");
}

function refusedTable(refused: readonly RefusedKeys[]): string {
  const rows = refused.map(({ keyPattern, reason, unless = [] }) =>
    row([code(keyPattern), unless.map(code).join(", "), reason])
  );
  const head = row(["key of Flink", "accepted with", "why it is refused"]);
  return [head, row(["---", "---", "---"]), ...rows, ""].join("\n");
}

function ignoredTable(ignored: readonly RefusedKeys[]): string {
  const rows = ignored.map(({ keyPattern, reason }) => row([code(keyPattern), reason]));
  return [row(["key of Flink", "why it is passed over"]), row(["---", "---"]), ...rows, ""].join("\n");
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}
