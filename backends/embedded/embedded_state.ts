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
import type { RunState } from "../runs/run_format.ts";

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
    readonly serializer: Serializer<unknown>,
  ) {
    this.where = `state "${name}"`;
  }

  /** Its line in the state table of a run. */
  describe(): RunState {
    return {
      id: this.id,
      name: this.name,
      kind: this.kind,
      serializerId: this.serializer.id,
      serializerVersion: this.serializer.version,
      schemaVersion: this.serializer.schemaVersion ?? 1,
      flags: 0,
    };
  }
}
