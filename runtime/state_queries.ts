/**
 * Asks running operators what they know of a key: finds the subtask, and reads between two of its steps.
 *
 * Called by: runtime/attempt.ts.
 * Calls: subtasks, keyed operators.
 *
 * Invariants:
 * - every query settles: by its subtask, or when the attempt ends.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import { checkKey, type Key } from "../core/key.ts";
import { KeyedOperator } from "./operators/keyed_operator.ts";
import type { QueriedState, QueryResult } from "./state_reader.ts";
import type { Subtask } from "./subtask.ts";

/** A keyed operator, as far as it can be asked. */
type Readable = Pick<KeyedOperator<Key, unknown, unknown>, "name" | "owns" | "readState">;

/** The queries of one attempt. */
export class StateQueries {
  /** What ends a query early. */
  readonly #pending = new Set<(error: StreamError) => void>();
  #hasEnded = false;

  constructor(private readonly subtasks: readonly Subtask[]) {}

  /**
   * A copy of what a state of an operator holds for a key.
   *
   * @throws {StreamError} If there is no such operator or state, or the attempt ends before it is read.
   * @throws {TypeError} For what is no key.
   */
  async ask<D extends QueriedState>(operatorName: string, state: D, key: Key): Promise<QueryResult<D>> {
    checkKey(key);
    const { subtask, operator } = this.#find(operatorName, key);
    return await new Promise((resolve, reject) => {
      if (this.#hasEnded) return reject(ended());
      this.#pending.add(reject);
      subtask.post(() => {
        this.#pending.delete(reject);
        try {
          resolve(operator.readState(state, key));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Nothing is read any more. */
  end(): void {
    this.#hasEnded = true;
    for (const reject of this.#pending) reject(ended());
    this.#pending.clear();
  }

  #find(operatorName: string, key: Key): { readonly subtask: Subtask; readonly operator: Readable } {
    const keyed = this.subtasks.flatMap((subtask) =>
      subtask.operators.flatMap((operator) => operator instanceof KeyedOperator ? { subtask, operator } : [])
    );
    const named = keyed.filter(({ operator }) => operator.name === operatorName);
    const owner = named.find(({ operator }) => operator.owns(key));
    if (owner !== undefined) return owner;
    const names = [...new Set(keyed.map(({ operator }) => `"${operator.name}"`))];
    throw new StreamError(
      "invalid",
      `Cannot query "${operatorName}": no step of that name has keyed state, ` +
        (names.length === 0 ? "none of this job has" : `those that have are ${names.join(", ")}`) +
        "; name one that has",
    );
  }
}

function ended(): StreamError {
  return new StreamError("unavailable", "Cannot query state: the job has ended, or starts again; try again later");
}
