/**
 * Runs a command line: finds the command, reads its arguments, does its work, and turns what goes wrong into a message
 * and an exit code.
 *
 * Called by: control/cli.ts, tests.
 * Calls: control/cli/.
 *
 * @module
 */
import { inspect } from "node:util";
import { messageOf, StreamError } from "../../core/errors.ts";
import { errorCode } from "../../core/file_system.ts";
import { EXIT_FAILED, EXIT_FINISHED, EXIT_INTERRUPTED, EXIT_USAGE } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import type { CliSurroundings } from "./command.ts";
import { commandOf, readArguments, wantsHelp } from "./command_arguments.ts";
import { InterruptedError } from "./interrupted_error.ts";
import { commandText, usageText } from "./usage.ts";

/** Standard output was closed by its reader: as a program that the signal SIGPIPE ends. */
const EXIT_CLOSED_PIPE = 141;

/**
 * Runs what was typed.
 *
 * @param argv Arguments behind the name of the program.
 * @returns The exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
 */
export async function runCli(argv: readonly string[], surroundings: CliSurroundings): Promise<number> {
  const { screen } = surroundings;
  try {
    return await run(argv, surroundings);
  } catch (error) {
    if (errorCode(error) === "EPIPE") return EXIT_CLOSED_PIPE;
    if (error instanceof InterruptedError) {
      if (error.message !== "") screen.write(`${error.message}\n`);
      return EXIT_INTERRUPTED;
    }
    // Ours say all that there is to say, and so do those of the file system; any other is a mistake in here.
    const isOurs = error instanceof StreamError || errorCode(error) !== undefined;
    screen.write(`${isOurs ? messageOf(error) : inspect(error)}\n`);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  }
}

async function run(argv: readonly string[], surroundings: CliSurroundings): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined) {
    surroundings.screen.write(`${usageText()}\n`);
    return EXIT_USAGE;
  }
  if (name === "--help" || name === "-h" || (name === "help" && rest.length === 0)) {
    await surroundings.print(`${usageText()}\n`);
    return EXIT_FINISHED;
  }
  const isHelp = name === "help";
  const command = commandOf(isHelp ? rest[0]! : name);
  if (isHelp || wantsHelp(rest)) {
    await surroundings.print(`${commandText(command)}\n`);
    return EXIT_FINISHED;
  }
  const args = readArguments(command, rest);
  const work = await command.load();
  return await work(args, surroundings);
}
