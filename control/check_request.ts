/**
 * Whether a script is to say what it would restore, instead of running.
 *
 * Called by: control/stream_environment.ts, control/cli/check.ts.
 * Calls: control/process_surroundings.ts; the answer itself by dynamic import.
 *
 * @module
 */
import type { JobSettings } from "../runtime/job_settings.ts";
import type { StreamGraph } from "../runtime/stream_graph.ts";
import type { DescriptionPorts } from "./describe_pipeline.ts";
import { environmentVariable, exitProcess, printText } from "./process_surroundings.ts";
import { EXIT_FAILED, EXIT_FINISHED } from "./terminal.ts";

/**
 * Set by `weir check` to the path of a snapshot: then `execute()` and `executeAsync()` start nothing but print whether
 * the pipeline would restore from it, and end the process.
 */
export const CHECK_VARIABLE = "WEIR_CHECK_RESTORE";

/**
 * Ends the process with the answer if one is asked for; does nothing else.
 *
 * @param byFlag Whether the script was started with `--check`.
 */
export async function answerCheckRequest(
  graph: StreamGraph,
  settings: JobSettings,
  ports: DescriptionPorts,
  byFlag: boolean,
): Promise<void> {
  const asked = environmentVariable(CHECK_VARIABLE);
  if (asked === undefined && !byFlag) return;
  const { ANSWER_MARK, checkRestore, restoreCheckText } = await import("./restore_check.ts");
  const answer = await checkRestore(graph, settings, ports, asked ?? null);
  if (asked !== undefined) {
    await printText(`\n${ANSWER_MARK}${JSON.stringify(answer)}\n`);
    return exitProcess(EXIT_FINISHED);
  }
  await printText(`${restoreCheckText(answer)}\n`);
  exitProcess(answer.fits ? EXIT_FINISHED : EXIT_FAILED);
}
