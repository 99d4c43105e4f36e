/**
 * `weir check`: runs a script up to its `execute()`, which says whether it would restore from a snapshot.
 *
 * Called by: control/cli/commands.ts.
 * Calls: control/restore_check.ts, for the answer; a process of its own, for the script.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import { CHECK_VARIABLE } from "../check_request.ts";
import { answerIn, restoreCheckText } from "../restore_check.ts";
import { EXIT_FAILED, EXIT_FINISHED } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import type { CliSurroundings, CommandArguments } from "./command.ts";
import { printJson } from "./output.ts";

/** What every script may do on Deno: most read files, and options may come from the environment. */
const PERMISSIONS: readonly string[] = ["read", "env"];

/** `weir check <path> <script> [-- arguments]`. */
export async function check(args: CommandArguments, surroundings: CliSurroundings): Promise<number> {
  const [path = "", script = ""] = args.positionals;
  if ((await surroundings.fileSystem.status(script))?.kind !== "file") {
    throw new UsageError(`Cannot check "${script}": there is no such file; give the path of a pipeline script`);
  }
  const { code, output } = await surroundings.runScript({
    path: script,
    args: args.rest,
    environment: { [CHECK_VARIABLE]: path },
    permissions: [...PERMISSIONS, ...args.texts("allow").map(permission)],
  });
  if (code !== 0) {
    const how = code === null ? "was ended by a signal" : `ended with exit code ${code}`;
    throw new StreamError("invalid", `Cannot check "${script}": it ${how} before its execute() could answer`);
  }
  const { check: answer, before } = answerIn(output, script);
  // What the script prints is not the answer.
  if (before !== "") surroundings.screen.write(`${before}\n`);
  if (args.has("json")) await printJson(surroundings, answer);
  else await surroundings.print(`${restoreCheckText(answer)}\n`);
  return answer.fits ? EXIT_FINISHED : EXIT_FAILED;
}

function permission(text: string): string {
  if (/^[a-z]+(?:=.+)?$/.test(text)) return text;
  throw new UsageError(`Cannot use --allow "${text}": it must be a permission of Deno without dashes; write net=host`);
}
