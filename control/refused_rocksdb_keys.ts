/**
 * Lists the keys of Flink's RocksDB that Weir's LSM backend refuses, with the reason.
 *
 * Called by: control/known_options.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { RefusedKeys } from "../core/config.ts";

const ONE_THREAD = "files are written and merged between records, without threads of their own; remove the option";
const TRANSFER = "files come into a checkpoint by hard link, or four at a time; remove the option";
const NO_LOG = "the store writes no log of its own; remove the option";
const RESTORE = "a restore links files and reads its own key groups of them; remove the option";
const MERGES = "small files are merged by themselves; remove the option";

/** With this a switch asks for what Weir does anyway. */
const OFF: readonly string[] = ["false"];

/** Key behind the backend's prefix, or its start followed by `*` → why it is refused; values that are accepted. */
const REASONS: readonly (readonly [key: string, reason: string, unless?: readonly string[]])[] = [
  ["checkpoint.transfer.thread.num", TRANSFER, ["4"]],
  ["thread.num", ONE_THREAD],
  ["log.*", NO_LOG],
  ["files.open", "every file stays open as long as it is needed; remove the option", ["-1"]],
  ["compaction.filter.query-time-after-num-entries", "the clock is read for every 1000 rows; remove the option", [
    "1000",
  ]],
  ["compaction.filter.periodic-compaction-time", "no file is written anew for its age alone; remove the option"],
  ["write-batch-size", "each write goes to the write buffer at once; remove the option"],
  ["bloom-filter.block-based-mode", "a filter belongs to a whole file; remove the option", OFF],
  ["restore-overlap-fraction-threshold", RESTORE, ["0", "0.0"]],
  ["use-ingest-db-restore-mode", RESTORE, OFF],
  ["incremental-restore-async-compact-after-rescale", RESTORE, OFF],
  ["rescaling.use-delete-files-in-range", RESTORE, OFF],
  ["manual-compaction.*", MERGES],
];

/** For both prefixes. */
export const REFUSED_ROCKSDB_KEYS: readonly RefusedKeys[] = ["state.backend.rocksdb.", "state.backend.lsm."].flatMap((
  prefix,
) =>
  REASONS.map(([key, reason, unless]) => ({
    keyPattern: prefix + key,
    reason,
    ...(unless === undefined ? {} : { unless }),
  }))
);
