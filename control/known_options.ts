/**
 * Lists every option that Weir has, and the keys of Flink that it refuses with the reason.
 *
 * Called by: control/config_sources.ts, control/configuration_page.ts.
 * Calls: the `options.ts` of each folder.
 *
 * @module
 */
import {
  listEmbeddedOptions,
  LMDB_EMBEDDED_OPTIONS,
  LSM_EMBEDDED_OPTIONS,
  MANAGED_MEMORY,
  TASK_SLOTS,
} from "../backends/embedded/options.ts";
import { LSM_OPTIONS } from "../backends/lsm/options.ts";
import { CHECKPOINT_OPTIONS } from "../checkpoint/options.ts";
import type { AnyOption, RefusedKeys } from "../core/config.ts";
import { LATENCY_OPTIONS } from "../runtime/latency_options.ts";
import { RUNTIME_OPTIONS } from "../runtime/options.ts";
import { TIMER_OPTIONS } from "../runtime/timer_options.ts";
import { HTTP_OPTIONS } from "./http/options.ts";
import { REFUSED_ROCKSDB_KEYS } from "./refused_rocksdb_keys.ts";

/** Options that belong together on the reference page. */
export interface OptionGroup {
  /** Heading. */
  readonly title: string;
  /** In order. */
  readonly options: readonly AnyOption[];
}

/** Every option, in the order of the reference page. */
export const OPTION_GROUPS: readonly OptionGroup[] = [
  { title: "Job", options: RUNTIME_OPTIONS },
  { title: "Checkpoints", options: CHECKPOINT_OPTIONS },
  { title: "Timers", options: TIMER_OPTIONS },
  { title: "Latency of state", options: LATENCY_OPTIONS },
  { title: "HTTP API", options: HTTP_OPTIONS },
  { title: "Memory of state on disk", options: [MANAGED_MEMORY, TASK_SLOTS] },
  { title: "State backend lsm", options: [...listEmbeddedOptions(LSM_EMBEDDED_OPTIONS), ...LSM_OPTIONS] },
  { title: "State backend lmdb", options: listEmbeddedOptions(LMDB_EMBEDDED_OPTIONS) },
];

/** Every option. */
export const KNOWN_OPTIONS: readonly AnyOption[] = OPTION_GROUPS.flatMap(({ options }) => options);

const UNALIGNED = "unaligned checkpoints come in a later version";
const LOCAL = "local recovery comes in a later version";
const CHANGELOG = "the changelog backend comes in a later version";
const HTTP = "but for the keys above, the HTTP API has no such option";
const MERGING = "merging small checkpoint files comes in a later version";
const NO_JVM = "Weir runs in one process without a JVM; the script's own process is all there is to size";

/** Keys that Flink has and Weir refuses. The first pattern that fits counts. */
export const REFUSED_KEYS: readonly RefusedKeys[] = [
  { keyPattern: "execution.checkpointing.unaligned*", reason: UNALIGNED },
  { keyPattern: "execution.checkpointing.aligned-checkpoint-timeout", reason: UNALIGNED },
  { keyPattern: "execution.checkpointing.alignment-timeout", reason: UNALIGNED },
  { keyPattern: "execution.checkpointing.recover-without-channel-state.*", reason: UNALIGNED },
  { keyPattern: "execution.state-recovery.without-channel-state.*", reason: UNALIGNED },
  { keyPattern: "taskmanager.network.memory.buffer-debloat.*", reason: "buffer debloating comes in a later version" },
  { keyPattern: "execution.checkpointing.local-backup.*", reason: LOCAL },
  { keyPattern: "execution.state-recovery.from-local", reason: LOCAL },
  { keyPattern: "state.backend.local-recovery", reason: LOCAL },
  { keyPattern: "taskmanager.state.local.root-dirs", reason: LOCAL },
  { keyPattern: "execution.checkpointing.interval-during-backlog", reason: "sources do not report a backlog yet" },
  {
    keyPattern: "execution.checkpointing.create-subdir",
    reason: "each job always has its own folder; remove the option",
  },
  { keyPattern: "execution.checkpointing.file-merging.*", reason: MERGING },
  {
    keyPattern: "execution.checkpointing.write-buffer-size",
    reason: "Weir sizes its writes itself; remove the option",
  },
  { keyPattern: "state.storage.fs.write-buffer-size", reason: "Weir sizes its writes itself; remove the option" },
  { keyPattern: "execution.checkpointing.cleaner.*", reason: "Weir chooses how it deletes files; remove the option" },
  { keyPattern: "state.checkpoint.cleaner.*", reason: "Weir chooses how it deletes files; remove the option" },
  {
    keyPattern: "execution.checkpointing.snapshot-compression",
    reason: "compression of snapshots comes in a later version",
  },
  { keyPattern: "pipeline.object-reuse", reason: "chained operators always share objects; remove the option" },
  { keyPattern: "execution.buffer-timeout.enabled", reason: "set execution.buffer-timeout.interval instead" },
  ...REFUSED_ROCKSDB_KEYS,
  {
    keyPattern: "state.backend.forst.*",
    reason: "state in a remote store does not exist here; use state.backend.lsm.*",
  },
  {
    keyPattern: "taskmanager.memory.managed.fraction",
    reason: "Weir does not size the process; set taskmanager.memory.managed.size",
  },
  {
    keyPattern: "taskmanager.memory.managed.consumer-weights",
    reason: "state on disk is all that has managed memory; remove the option",
  },
  { keyPattern: "state.backend.changelog.*", reason: CHANGELOG },
  { keyPattern: "state.changelog.*", reason: CHANGELOG },
  { keyPattern: "dstl.*", reason: CHANGELOG },
  { keyPattern: "rest.bind-port", reason: "set rest.port, the port that is listened on" },
  { keyPattern: "rest.*", reason: HTTP },
  { keyPattern: "security.ssl.rest.*", reason: "put a proxy that speaks TLS in front of the HTTP API" },
  { keyPattern: "web.submit.enable", reason: "a job is a script that is run; none can be submitted" },
  { keyPattern: "web.*", reason: HTTP },
  { keyPattern: "metrics.*", reason: "metric reporters come in a later version" },
  { keyPattern: "high-availability*", reason: "running on several machines comes in a later version" },
  { keyPattern: "heartbeat.*", reason: "running on several machines comes in a later version" },
  { keyPattern: "jobmanager.execution.failover-strategy", reason: "a failure always restarts the whole job" },
  { keyPattern: "jobmanager.*", reason: NO_JVM },
  { keyPattern: "taskmanager.*", reason: `but for the keys above: ${NO_JVM}` },
  { keyPattern: "env.java.*", reason: NO_JVM },
];
