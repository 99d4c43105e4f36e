/**
 * One declared state of an embedded backend.
 *
 * Called by: everything in this folder.
 * Calls: nothing.
 *
 * @module
 */
import type { StateKind } from "../../core/descriptors.ts";
import type { Serializer } from "../../core/serializer.ts";

/** Name, kind and serializer of one state. */
export class EmbeddedState {
  /** Names the state in errors. */
  readonly where: string;
  /** Counts writes to a map state, so that one who walks a map knows when to look again. */
  changes = 0;

  constructor(
    readonly id: number,
    readonly name: string,
    readonly kind: StateKind,
    /** Reads and writes its values. */
    readonly serializer: Serializer<unknown>,
    /** The one that it was declared with; `serializer` unless that has been reconfigured. */
    readonly asked: Serializer<unknown> = serializer,
  ) {
    this.where = `state "${name}"`;
  }
}
