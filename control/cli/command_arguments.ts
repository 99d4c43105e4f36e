/**
 * Reads what was typed behind the name of a command. Pure.
 *
 * Called by: control/cli/run_cli.ts.
 * Calls: `node:util`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { nearestName } from "../../core/nearest_name.ts";
import { UsageError } from "../usage_error.ts";
import type { Command, CommandArguments, CommandFlag } from "./command.ts";
import { COMMANDS } from "./commands.ts";

/** The command that is called so. @throws {UsageError} If there is none. */
export function commandOf(name: string): Command {
  const found = COMMANDS.find((command) => command.name === name);
  if (found !== undefined) return found;
  const nearest = nearestName(name, COMMANDS.map((command) => command.name));
  const hint = nearest === undefined ? "see weir --help" : `did you mean ${nearest}? See weir --help`;
  throw new UsageError(`Cannot run "${name}": there is no such command; ${hint}`);
}

/** Whether help is asked for: it is given whatever else is wrong. */
export function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).some((arg) => arg === "--help" || arg === "-h");
}

/**
 * The arguments of a command.
 *
 * @param argv What follows its name.
 * @throws {UsageError} For an unknown flag, a missing or wrong value, too few or too many arguments.
 */
export function readArguments(command: Command, argv: readonly string[]): CommandArguments {
  const options = Object.fromEntries(command.flags.map(({ name, short, value }) => [name, {
    type: value === undefined ? "boolean" as const : "string" as const,
    ...(short === undefined ? {} : { short }),
  }]));
  const end = argv.indexOf("--");
  const own = end < 0 ? argv : argv.slice(0, end);
  const rest = end < 0 ? [] : argv.slice(end + 1);
  if (rest.length > 0 && command.takesRest === undefined) {
    throw new UsageError(`Cannot use "${rest[0]}": ${command.name} takes nothing behind --; ${seeHelp(command)}`);
  }
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  // Not strict: what is wrong is found in the tokens, with a better message and alike on Deno and Bun.
  const { tokens } = parseArgs({ args: [...own], options, strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const flag = command.flags.find(({ name }) => name === token.name);
    if (flag === undefined) throw unknownFlag(command, token.rawName);
    const given = values.get(flag.name) ?? [];
    if (given.length > 0 && flag.multiple === undefined) {
      throw new UsageError(`Cannot use --${flag.name} twice: it has one value; ${seeHelp(command)}`);
    }
    values.set(flag.name, [...given, checkedValue(command, flag, token)]);
  }
  checkCount(command, positionals);
  return {
    positionals,
    rest,
    text: (name) => values.get(name)?.[0],
    texts: (name) => values.get(name) ?? [],
    has: (name) => values.has(name),
  };
}

function checkedValue(
  command: Command,
  flag: CommandFlag,
  { value, inlineValue }: { readonly value: string | undefined; readonly inlineValue: boolean | undefined },
): string {
  if (flag.value === undefined) {
    if (value === undefined) return "";
    throw new UsageError(`Cannot use --${flag.name}=${value}: the flag stands alone; ${seeHelp(command)}`);
  }
  if (value === undefined || value === "" || (inlineValue === false && value.startsWith("--"))) {
    throw new UsageError(`Cannot use --${flag.name}: it needs a value; ${seeHelp(command)}`);
  }
  if (flag.choices === undefined || flag.choices.includes(value)) return value;
  throw new UsageError(`Cannot use --${flag.name} "${value}": it must be one of ${flag.choices.join(", ")}`);
}

function checkCount(command: Command, positionals: readonly string[]): void {
  const [fewest, most] = command.counts;
  if (positionals.length > most) {
    throw new UsageError(`Cannot use argument "${positionals[most]}": it is one too many; ${seeHelp(command)}`);
  }
  if (positionals.length < fewest) {
    throw new UsageError(`Cannot run ${command.name}: it needs ${command.positionals}; ${seeHelp(command)}`);
  }
}

function unknownFlag(command: Command, rawName: string): UsageError {
  const nearest = nearestName(rawName.replace(/^-+/, ""), command.flags.map(({ name }) => name));
  const hint = nearest === undefined ? seeHelp(command) : `did you mean --${nearest}? ${capital(seeHelp(command))}`;
  return new UsageError(`Cannot use ${rawName}: ${command.name} has no such flag; ${hint}`);
}

function seeHelp({ name }: Command): string {
  return `see weir ${name} --help`;
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
