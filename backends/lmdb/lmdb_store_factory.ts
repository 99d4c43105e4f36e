/**
 * Makes the stores of the `lmdb` backend: one LMDB environment for each operator subtask.
 *
 * Called by: whoever makes the backend.
 * Calls: lmdb_module.ts, lmdb_store.ts.
 *
 * @module
 */
import { errorCode } from "../../core/file_system.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import type { RowStore, RowStoreFactory, StoreContext } from "../embedded/row_store.ts";
import { openDatabase } from "./lmdb_module.ts";
import { LmdbStore } from "./lmdb_store.ts";
import { RowTree } from "./row_tree.ts";

/** Settings of the `lmdb` backend. */
export interface LmdbOptions {
  /**
   * Address space with which each database begins, bytes. It grows by itself when it is full, which takes a moment and
   * more address space; absent: 4 GiB, on Windows small.
   */
  readonly mapBytes?: number;
}

/** Name of the database in a store's directory. */
const DATABASE = "rows.mdb";

/**
 * Makes stores in LMDB. The native package is loaded when the first one is opened, not before.
 *
 * @throws {RangeError} If an option is out of range.
 */
export function lmdbRowStoreFactory(options: LmdbOptions = {}): RowStoreFactory {
  const { mapBytes } = options;
  if (mapBytes !== undefined && !(Number.isSafeInteger(mapBytes) && mapBytes > 0)) {
    throw new RangeError(`Cannot make LMDB stores: mapBytes must be a positive integer, current value is ${mapBytes}`);
  }
  return { name: "lmdb", open: (context) => openStore(context, options) };
}

async function openStore(context: StoreContext, options: LmdbOptions): Promise<RowStore> {
  const { directory, fileSystem, operatorName } = context;
  try {
    await fileSystem.makeDirectory(directory);
  } catch (error) {
    if (error instanceof StreamError) throw error;
    throw new StreamError(
      "unavailable",
      `Cannot make the working folder "${directory}" of "${operatorName}": ${errorCode(error) ?? messageOf(error)}; ` +
        `set state.backend.lmdb.localdir to a folder that can be written to`,
      { cause: error },
    );
  }
  const tree = new RowTree(`the state of "${operatorName}" in "${directory}"`);
  try {
    tree.attach(await openDatabase(`${directory}/${DATABASE}`, options, tree));
  } catch (error) {
    await fileSystem.removeDirectory(directory);
    throw error;
  }
  return new LmdbStore(context, tree);
}
