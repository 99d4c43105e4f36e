/**
 * Writes the usage texts of the command line from the table of commands. Pure.
 *
 * Called by: control/cli/run_cli.ts.
 * Calls: control/cli/commands.ts.
 *
 * @module
 */
import type { Command, CommandFlag } from "./command.ts";
import { COMMANDS } from "./commands.ts";

const INTRODUCTION = "Usage: weir <command> [arguments] [flags]";

/** All commands, a line each. */
export function usageText(): string {
  const rows = COMMANDS.map((command) =>
    [`${command.name} ${command.positionals}`.trimEnd(), command.summary] as const
  );
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  const of = (reach: Command["reach"]) =>
    COMMANDS.flatMap(({ reach: own }, index) => {
      const [left, right] = rows[index]!;
      return own === reach ? [`  ${left.padEnd(width)}${right}`] : [];
    });
  return [
    INTRODUCTION,
    "",
    "Of a job that runs, over HTTP (start it with -Drest.port=8081):",
    ...of("job"),
    "",
    "Of files:",
    ...of("files"),
    "",
    "weir <command> --help says more. Exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.",
  ].join("\n");
}

/** One command with its flags. */
export function commandText(command: Command): string {
  const rest = command.takesRest === undefined ? "" : " [-- arguments of the script]";
  const flags = command.flags.map((flag) => [flagText(flag), flag.description] as const);
  const width = Math.max(0, ...flags.map(([left]) => left.length)) + 2;
  return [
    `Usage: weir ${command.name} ${command.positionals}`.trimEnd() + ` [flags]${rest}`,
    "",
    `${command.summary[0]!.toUpperCase()}${command.summary.slice(1)}.`,
    ...command.details,
    "",
    ...flags.map(([left, right]) => `  ${left.padEnd(width)}${right}`),
    "",
    `Permissions on Deno: ${command.permissions}`,
  ].join("\n");
}

function flagText({ name, short, value, choices }: CommandFlag): string {
  const letter = short === undefined ? "" : `-${short}, `;
  const shown = choices?.join("|") ?? value;
  return `${letter}--${name}${shown === undefined ? "" : ` ${shown}`}`;
}
