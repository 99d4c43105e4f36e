/**
 * Starts a pipeline script: reads its arguments and its configuration, and ends the process where these are wrong.
 *
 * Called by: the stream environment, when the script has not been given arguments in code.
 * Calls: control/command_line.ts, control/config_sources.ts, control/process_surroundings.ts.
 *
 * @module
 */
import { type CommandLine, helpText, readCommandLine } from "./command_line.ts";
import { type ConfigurationSources, loadConfiguration, type LoadedConfiguration } from "./config_sources.ts";
import {
  exitProcess,
  printLine,
  processArguments,
  processEnvironment,
  processScreen,
  readConfigurationFileWith,
  scriptName,
} from "./process_surroundings.ts";
import type { ScriptOptions } from "./script_options.ts";
import { EXIT_FINISHED, EXIT_USAGE } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Reads the arguments of this process. `--help` prints what the script accepts and ends the process with exit code 0;
 * wrong arguments end it with exit code 2 and one line on standard error.
 */
export function commandLineOfProcess<S extends ScriptOptions>(options: S): CommandLine<S> {
  const commandLine = orExit(() => readCommandLine(processArguments(), options));
  if (commandLine.help) {
    printLine(helpText(scriptName(), options));
    exitProcess(EXIT_FINISHED);
  }
  return commandLine;
}

/**
 * Gathers the configuration of this process. A wrong option ends the process with exit code 2 and a line on standard
 * error for each problem.
 *
 * @param readFile Reads a whole file, as `FileSystem.readFile` does.
 */
export async function configurationOfProcess(
  { commandLine, code = {}, readFile, ...found }: Pick<ConfigurationSources, "findLsmFactory" | "findBackend"> & {
    /** What the arguments say. */
    readonly commandLine: ConfigurationSources["commandLine"];
    /** Values set in code: they win. */
    readonly code?: Readonly<Record<string, unknown>>;
    /** Reads a whole file, as `FileSystem.readFile` does. */
    readonly readFile: (path: string) => Promise<Uint8Array>;
  },
): Promise<LoadedConfiguration> {
  try {
    return await loadConfiguration({
      commandLine,
      code,
      environment: processEnvironment(),
      readFile: readConfigurationFileWith(readFile),
      ...found,
    });
  } catch (error) {
    return exitForUsage(error);
  }
}

function orExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    return exitForUsage(error);
  }
}

/** The message alone: a stack would hide it. */
function exitForUsage(error: unknown): never {
  if (!(error instanceof UsageError)) throw error;
  processScreen().write(error.message + "\n");
  return exitProcess(EXIT_USAGE);
}
