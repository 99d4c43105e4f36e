/**
 * Reads the table of Flink's options in docs/flink_map.md and says where it disagrees with Flink's list or with the code.
 *
 * Called by: tests/conformance/option_map_test.ts.
 * Calls: core/config.ts.
 */
import { type AnyOption, Configuration, type RefusedKeys } from "../../core/config.ts";
import { StreamError } from "../../core/errors.ts";
import type { FlinkOption } from "./flink_options.ts";

/** A row of the table. */
export interface OptionRow {
  readonly key: string;
  /** Earlier spellings that the row names. */
  readonly oldNames: readonly string[];
  /** Flink's default as the row says. */
  readonly default: string;
  readonly kind: "same" | "adapted" | "refused" | "ignored" | "unclear";
  /** Values of a refused key that ask for nothing that is not done anyway, in lower case. */
  readonly butFor: readonly string[];
  /** How or why; empty for what is the same. */
  readonly words: string;
}

/** What the code has. */
export interface OptionCode {
  readonly known: readonly AnyOption[];
  readonly refused: readonly RefusedKeys[];
}

/** Fewest characters of a reason. */
const WORDS = 20;

/** The rows: every table line of four cells whose first is a dotted key. */
export function optionRowsOf(markdown: string): OptionRow[] {
  const row = /^\| *`([\w-]+(?:\.[\w-]+)+)` *\| *(.*?) *\| *`([^`|]*)` *\| *(.*?) *\|$/gm;
  return [...markdown.matchAll(row)].map(([, key, old, value, here]) => {
    const [, kind, except, words] = /^(same|adapted|refused|ignored)(?: but for (`[^:]*`))?(?:: *(.*))?$/.exec(here!) ??
      [];
    // The pattern admits only these four.
    const known = kind as OptionRow["kind"] | undefined;
    return {
      key: key!,
      oldNames: quoted(old!),
      default: value!,
      kind: known ?? "unclear",
      butFor: quoted(except ?? ""),
      words: words ?? "",
    };
  });
}

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}

/** What is wrong, a line each; empty when list, table and code agree on every option. */
export function optionDisagreements(
  flink: readonly FlinkOption[],
  rows: readonly OptionRow[],
  code: OptionCode,
): string[] {
  const problems: string[] = [];
  const byKey = new Map(rows.map((row) => [row.key, row]));
  if (byKey.size < rows.length) problems.push("a key has two rows");
  const listed = new Set(flink.map(({ key }) => key));
  for (const { key } of rows) if (!listed.has(key)) problems.push(`${key} has a row, but is no option of Flink's list`);
  for (const option of flink) {
    const row = byKey.get(option.key);
    if (row === undefined) problems.push(`${option.key} has no row`);
    else problems.push(...problemsOf(option, row, code).map((problem) => `${option.key}: ${problem}`));
  }
  return problems;
}

function problemsOf(flink: FlinkOption, row: OptionRow, code: OptionCode): string[] {
  const problems: string[] = [];
  if (row.oldNames.join() !== flink.oldNames.join()) problems.push(`the row must name ${flink.oldNames.join(", ")}`);
  if (row.default !== flink.default) problems.push(`the row must give Flink's default, ${flink.default}`);
  const names = [flink.key, ...flink.oldNames];
  const found = names.map((name) => code.known.find((one) => one.key === name || one.oldNames.includes(name)));
  if (row.kind === "unclear") return [...problems, "the row must say same, adapted or refused"];
  if (row.kind === "refused" || row.kind === "ignored") {
    if (found.some((one) => one !== undefined)) problems.push(`the row says ${row.kind}, but there is such an option`);
    return [...problems, ...names.flatMap((name) => refusalProblems(name, row, code))];
  }
  const [option] = found;
  if (option === undefined) return [...problems, `the row says ${row.kind}, but there is no such option`];
  if (found.some((one) => one !== option)) problems.push("not every spelling is accepted for the same option");
  return [...problems, ...(row.kind === "same" ? differences(flink, option) : unsaid(flink, option, row.words))];
}

/** A key must be refused, or passed over, as the row says: for the same reason, and with the same exceptions. */
function refusalProblems(key: string, row: OptionRow, code: OptionCode): string[] {
  const rule = ruleFor(key, code.refused);
  if (rule === undefined) return [`${key} is not refused with a reason`];
  const expected = sentence(rule.isIgnored ? "ignored" : "refused", rule.unless ?? [], rule.reason);
  if (sentence(row.kind, row.butFor, row.words) !== expected) return [`the row must say "${expected}"`];
  return row.words.length >= WORDS ? acceptanceProblems(key, row, code) : [`the reason of ${key} says too little`];
}

function sentence(kind: OptionRow["kind"], butFor: readonly string[], words: string): string {
  const exceptions = butFor.map((value) => `\`${value}\``).join(", ");
  return `${kind}${exceptions === "" ? "" : ` but for ${exceptions}`}: ${words}`;
}

/** What a configuration does with the key. */
function acceptanceProblems(key: string, { kind, butFor }: OptionRow, { known, refused }: OptionCode): string[] {
  const passes = (value: string) => {
    try {
      Configuration.of({ [key]: value }, "test").checkKnown(known, refused);
      return true;
    } catch (error) {
      if (error instanceof StreamError) return false;
      throw error;
    }
  };
  const problems = butFor.filter((value) => !passes(value)).map((value) => `${key}: ${value} is refused`);
  if (passes("some other value") !== (kind === "ignored")) problems.push(`${key} is not ${kind}`);
  return problems;
}

function ruleFor(key: string, rules: readonly RefusedKeys[]): RefusedKeys | undefined {
  return rules.find(({ keyPattern }) =>
    keyPattern.endsWith("*") ? key.startsWith(keyPattern.slice(0, -1)) : key === keyPattern
  );
}
/** How an option that is said to be the same differs. */
function differences(flink: FlinkOption, option: AnyOption): string[] {
  const problems: string[] = [];
  // A choice by name may be a text there.
  const types = flink.values.length > 0 ? [flink.type, "enum"] : [flink.type];
  if (!types.includes(option.type)) problems.push(`its type is ${option.type}, Flink's is ${flink.type}`);
  if (!hasDefault(flink, option)) problems.push(`its default is ${defaultOf(option)}, Flink's is ${flink.default}`);
  for (const value of flink.values) if (!accepts(option, value)) problems.push(`it does not take ${value}`);
  return problems;
}

/** What a row that says how an option is adapted must say and does not. */
function unsaid(flink: FlinkOption, option: AnyOption, words: string): string[] {
  const problems: string[] = [];
  if (words.length < WORDS) problems.push("the row must say how it is adapted");
  if (!hasDefault(flink, option) && !words.includes(`\`${defaultOf(option)}\``)) {
    problems.push(`the row must name the default here, \`${defaultOf(option)}\``);
  }
  for (const value of flink.values) {
    if (!accepts(option, value) && !words.includes(`\`${value}\``)) {
      problems.push(`the row must name \`${value}\`, which is not taken`);
    }
  }
  return problems;
}

/** As `docs/configuration.md` writes it. */
function defaultOf(option: AnyOption): string {
  return option.format(option.defaultValue);
}

function hasDefault(flink: FlinkOption, option: AnyOption): boolean {
  if (flink.default === "none") return option.defaultValue === undefined;
  if (!accepts(option, flink.default) || option.defaultValue === undefined) return false;
  return option.format(option.parse(flink.default)) === defaultOf(option);
}

function accepts(option: AnyOption, value: string): boolean {
  try {
    option.parse(value);
    return true;
  } catch (error) {
    if (error instanceof StreamError) return false;
    throw error;
  }
}
