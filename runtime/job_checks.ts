/**
 * Looks at a pipeline before it runs: refuses what cannot work, warns of what
 * is most likely not meant.
 *
 * Called by: runtime/job.ts.
 * Calls: the logging library.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { StreamError } from "../core/errors.ts";
import type { JobSettings } from "./job_settings.ts";
import type { StreamGraph } from "./stream_graph.ts";

const log = getLogger(["weir", "job"]);

/**
 * Checks a pipeline against the settings of its job.
 *
 * @throws {StreamError} If it cannot run as it is.
 */
export function checkPipeline({ nodes }: StreamGraph, { name, checkpointing }: JobSettings): void {
  const bad = checkpointing === null ? undefined : nodes.find((node) => !node.isReplayable);
  if (bad !== undefined) {
    throw new StreamError(
      "invalid",
      `Cannot take checkpoints of source "${bad.name}": it cannot go back to a position; declare it replayable ` +
        `if it can, or switch checkpoints off`,
    );
  }
  if (!nodes.some((node) => node.kind === "sink")) {
    log.warn('"{name}" has no sink: what it computes goes nowhere; end a stream with sinkTo(…)', { name });
  }
  const sink = nodes.find((node) => node.isExactlyOnce && node.destination !== null);
  if (sink !== undefined && checkpointing !== null && checkpointing.directory === null) {
    log.warn(
      'Checkpoints are kept in memory: after the process is gone, "{sink}" cannot go on in {destination}; ' +
        "set execution.checkpointing.dir",
      { sink: sink.name, destination: sink.destination },
    );
  }
}
