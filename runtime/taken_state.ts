/**
 * Says what state of a checkpoint an operator can take back, so that an operator that has become another under its name
 * does not lose any in silence.
 *
 * Called by: runtime/job_start.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { TakenState } from "../checkpoint/rescaling.ts";
import { TOLD } from "./feedback/message.ts";
import { userListName } from "./operator_states.ts";
import type { NodeKind, StreamNode } from "./stream_graph.ts";

const WHAT: Readonly<Record<NodeKind, string>> = {
  source: "a source",
  stateless: "a step without keys",
  keyed: "a keyed operator",
  sink: "a sink",
};

/** What an operator takes back; watermarks and the like, which others make anew, count as taken. */
export function takenBy(
  { kind, takesLists }: Pick<StreamNode, "kind" | "takesLists">,
  isTold: boolean,
): TakenState {
  return {
    what: WHAT[kind],
    keyed: kind === "keyed",
    list(name) {
      if (name === TOLD) return isTold;
      if (name === "splits") return kind === "source";
      if (name === "transactions") return kind === "sink";
      return userListName(name) === null || takesLists;
    },
  };
}
