/**
 * The command line: `deno task weir <command>`, or `bun control/cli.ts <command>`.
 *
 * Called by: people and scripts.
 * Calls: control/cli/run_cli.ts with what this process has.
 *
 * @module
 */
import { runCli } from "./cli/run_cli.ts";
import { systemSurroundings } from "./cli/system_surroundings.ts";
import { exitProcess, processArguments } from "./process_surroundings.ts";

// All that was printed has gone out; a timer that is left must not hold the process.
exitProcess(await runCli(processArguments(), systemSurroundings()));
