/**
 * Numbers the states of a canonical snapshot by the order of their names, so that its bytes do not depend on the order in
 * which states were declared.
 *
 * Called by: the snapshots of the backends.
 * Calls: ../runs/run_format.ts for types, core/errors.ts.
 *
 * Invariants:
 * - equal names and formats give equal tables, whatever the ids were.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { RunState } from "../runs/run_format.ts";

/** Not in the table. */
const UNKNOWN = -1;

/** Order and ids of the states of one canonical snapshot. */
export class CanonicalStates {
  /** The state table, by the new id. */
  readonly lines: readonly RunState[];
  /** Former id of each state, by its new id. */
  readonly formerIds: readonly number[];
  /** Whether rows in the order of their former ids are in the order of the new ones, too. */
  readonly keepsOrder: boolean;
  /** New id, by former id. */
  private readonly ids: Int32Array;

  /** @param states A line for each state; several for one that has rows in several formats. */
  constructor(states: readonly RunState[]) {
    const sorted = [...states].sort(compareStates);
    this.lines = sorted.map((state, id) => ({ ...state, id }));
    this.formerIds = sorted.map(({ id }) => id);
    this.keepsOrder = this.formerIds.every((id, i) => i === 0 || this.formerIds[i - 1]! < id);
    this.ids = new Int32Array(this.formerIds.reduce((size, id) => Math.max(size, id + 1), 0)).fill(UNKNOWN);
    this.formerIds.forEach((formerId, id) => this.ids[formerId] = id);
  }

  /** The new id of a state. @throws {StreamError} If it is not in the table. */
  idOf(formerId: number): number {
    const id = formerId < this.ids.length ? this.ids[formerId]! : UNKNOWN;
    if (id === UNKNOWN) {
      throw new StreamError(
        "corrupt",
        `Cannot write a snapshot: a row belongs to state ${formerId}, which the state table lacks; restore from an ` +
          `older checkpoint`,
      );
    }
    return id;
  }

  /** The line of a state under its new id. */
  renamed(state: RunState): RunState {
    return { ...state, id: this.idOf(state.id) };
  }
}

/** By name, in the order of UTF-16 units; the formats of one state by their writers. */
function compareStates(left: RunState, right: RunState): number {
  if (left.name !== right.name) return left.name < right.name ? -1 : 1;
  if (left.serializerId !== right.serializerId) return left.serializerId < right.serializerId ? -1 : 1;
  return left.serializerVersion - right.serializerVersion || left.schemaVersion - right.schemaVersion ||
    left.flags - right.flags;
}
