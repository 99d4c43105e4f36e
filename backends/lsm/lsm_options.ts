/**
 * How LSM stores are set up.
 *
 * Called by: lsm_store.ts; whoever makes the factory from the configuration.
 * Calls: column_options.ts.
 *
 * @module
 */
import { type ColumnOptions, columnOptions } from "./column_options.ts";

/** How LSM stores are set up: fields of {@link ColumnOptions} are for all states; each has a default. */
export interface LsmOptions extends Partial<ColumnOptions> {
  /**
   * The options of one state, complete and checked; those of all states if it is absent. Asked once for each state of
   * a store, the hidden ones of timers included. The same object for states that have nothing of their own.
   */
  readonly column?: (stateName: string) => ColumnOptions;
  /** Indexes and filters are in memory by parts of this size, in every slot; undefined: all of them are. */
  readonly indexPartBytes?: number | undefined;
  /** Names of the native metrics to report: `state.backend.rocksdb.metrics.<name>`; none. */
  readonly metrics?: readonly string[];
  /** Whether the state is a variable of its metrics instead of a part of their names. `…column-family-as-variable`; false. */
  readonly columnFamilyAsVariable?: boolean;
}

/** The options of all states, with defaults. @throws {RangeError} If one is out of range. */
export function sharedColumn(options: LsmOptions): ColumnOptions {
  const { column: _, indexPartBytes: __, metrics: ___, columnFamilyAsVariable: ____, ...fields } = options;
  return columnOptions(fields);
}
