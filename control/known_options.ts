/**
 * Lists every option that Weir has, and the keys of Flink that it refuses with the reason.
 *
 * Called by: control/config_sources.ts, control/configuration_page.ts.
 * Calls: the `options.ts` of each folder.
 *
 * @module
 */
import { CHANGELOG_OPTIONS, REFUSED_CHANGELOG_KEYS } from "../backends/changelog/options.ts";
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
  { title: "Changelog", options: CHANGELOG_OPTIONS },
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
const HTTP = "but for the keys above, the HTTP API has no such option";
const TLS = "put a proxy that speaks TLS in front of the HTTP API";
const MERGING = "merging small checkpoint files comes in a later version";
const MACHINES = "running on several machines comes in a later version";
const RESCALING = "a job has the parallelism that it was started with";

/** With these, a switch asks for what Weir does anyway. */
const OFF: readonly string[] = ["false"];
const ON: readonly string[] = ["true"];

const ONE_PROCESS = "Weir runs in one process without a JVM and sizes nothing but managed memory";
const NO_CLUSTER = "there is no cluster here";
const NO_JAVA = "there is no JVM here";
const OWN_WRITES = "Weir chooses itself how it writes and deletes files";

/**
 * Keys that are about a cluster, a JVM or a page that does not exist here: no result depends on them and no promise is
 * broken without them, so a file of a Flink user starts a job as it is.
 */
const IGNORED_KEYS: readonly RefusedKeys[] = [
  ignored("jobmanager.execution.failover-strategy", "a failure always restarts the whole job"),
  ignored("taskmanager.memory.managed.fraction", "Weir does not size the process; set taskmanager.memory.managed.size"),
  ignored("taskmanager.memory.managed.consumer-weights", "state on disk is all that has managed memory"),
  ignored("taskmanager.state.local.root-dirs", "there are no local copies of checkpoints"),
  ignored("execution.checkpointing.local-backup.dirs", "there are no local copies of checkpoints"),
  ignored("io.tmp.dirs", "set state.backend.lsm.localdir or state.backend.lmdb.localdir"),
  ignored("state.backend.async", "snapshots are always written asynchronously"),
  ignored("execution.checkpointing.write-buffer-size", OWN_WRITES),
  ignored("state.storage.fs.write-buffer-size", OWN_WRITES),
  ignored("state.backend.fs.write-buffer-size", OWN_WRITES),
  ignored("execution.checkpointing.cleaner.*", OWN_WRITES),
  ignored("state.checkpoint.cleaner.*", OWN_WRITES),
  ignored("execution.checkpointing.file-merging.*", "small checkpoint files are not merged"),
  ignored("execution.checkpointing.aligned-checkpoint-timeout", "checkpoints are always aligned"),
  ignored("execution.checkpointing.alignment-timeout", "checkpoints are always aligned"),
  ...["jobmanager.*", "taskmanager.*"].map((pattern) => ignored(pattern, ONE_PROCESS)),
  ...["env.*", "classloader.*", "pipeline.jars", "pipeline.classpaths"].map((pattern) => ignored(pattern, NO_JAVA)),
  ...[
    "akka.*",
    "pekko.*",
    "blob.*",
    "cluster.*",
    "client.*",
    "external-resource*",
    "heartbeat.*",
    "high-availability.*",
    "historyserver.*",
    "internal.*",
    "job-result-store.*",
    "kubernetes.*",
    "query.server.*",
    "resourcemanager.*",
    "slot.*",
    "slotmanager.*",
    "yarn.*",
    "zookeeper.*",
    "$internal.*",
    "execution.attached",
    "execution.shutdown-on-*",
    "execution.target",
  ].map((pattern) => ignored(pattern, NO_CLUSTER)),
  ...["fs.*", "hadoop.*", "s3.*", "s3a.*", "gs.*", "presto.*"].map((pattern) =>
    ignored(pattern, "files are on this machine")
  ),
  ...[
    "rest.await-leader-timeout",
    "rest.cache.*",
    "rest.client.*",
    "rest.connection-timeout",
    "rest.idleness-timeout",
    "rest.retry.*",
    "rest.server.numThreads",
    "web.history",
    "web.log.path",
    "web.rescale.enable",
    "web.timeout",
    "web.tmpdir",
  ].map((pattern) => ignored(pattern, "the HTTP API belongs to one job")),
];

function ignored(keyPattern: string, reason: string): RefusedKeys {
  return { keyPattern, reason, isIgnored: true };
}

/** Keys that Flink has and Weir refuses, or only passes over. The first pattern that fits counts. */
export const REFUSED_KEYS: readonly RefusedKeys[] = [
  ignored("execution.checkpointing.unaligned.max-subtasks-per-channel-state-file", "checkpoints are always aligned"),
  ignored("execution.checkpointing.unaligned.interruptible-timers.enabled", "timers always give way to checkpoints"),
  { keyPattern: "execution.checkpointing.unaligned*", reason: UNALIGNED, unless: OFF },
  { keyPattern: "execution.checkpointing.recover-without-channel-state.*", reason: UNALIGNED, unless: ["-1"] },
  { keyPattern: "execution.state-recovery.without-channel-state.*", reason: UNALIGNED, unless: ["-1"] },
  {
    keyPattern: "taskmanager.network.memory.buffer-debloat.enabled",
    reason: "buffer debloating comes in a later version",
    unless: OFF,
  },
  { keyPattern: "execution.checkpointing.local-backup.enabled", reason: LOCAL, unless: OFF },
  { keyPattern: "execution.state-recovery.from-local", reason: LOCAL, unless: OFF },
  { keyPattern: "state.backend.local-recovery", reason: LOCAL, unless: OFF },
  { keyPattern: "execution.checkpointing.interval-during-backlog", reason: "sources do not report a backlog yet" },
  {
    keyPattern: "execution.checkpointing.create-subdir",
    reason: "each job always has its own folder; remove the option",
    unless: ON,
  },
  {
    keyPattern: "state.checkpoints.create-subdir",
    reason: "each job always has its own folder; remove the option",
    unless: ON,
  },
  { keyPattern: "execution.checkpointing.file-merging.enabled", reason: MERGING, unless: OFF },
  {
    keyPattern: "execution.checkpointing.snapshot-compression",
    reason: "compression of snapshots comes in a later version",
    unless: OFF,
  },
  {
    keyPattern: "pipeline.object-reuse",
    reason: "chained operators always share objects; remove the option",
    unless: ON,
  },
  { keyPattern: "execution.buffer-timeout.enabled", reason: "set execution.buffer-timeout.interval instead" },
  ...REFUSED_ROCKSDB_KEYS,
  {
    keyPattern: "state.backend.forst.*",
    reason: "state in a remote store does not exist here; use state.backend.lsm.*",
  },
  ...REFUSED_CHANGELOG_KEYS,
  { keyPattern: "security.ssl.rest.enabled", reason: TLS, unless: OFF },
  { keyPattern: "security.ssl.rest.*", reason: TLS },
  { keyPattern: "metrics.*", reason: "metric reporters come in a later version" },
  { keyPattern: "table.*", reason: "there is no SQL here; a state says in its descriptor how long its values live" },
  { keyPattern: "high-availability", reason: MACHINES, unless: ["none"] },
  { keyPattern: "high-availability.type", reason: MACHINES, unless: ["none"] },
  { keyPattern: "jobmanager.scheduler", reason: RESCALING, unless: ["default"] },
  { keyPattern: "scheduler-mode", reason: RESCALING },
  { keyPattern: "execution.runtime-mode", reason: "every job runs as a stream", unless: ["streaming", "automatic"] },
  { keyPattern: "fs.default-scheme", reason: "a path is one of this machine; remove the option", unless: ["file:///"] },
  { keyPattern: "queryable-state.*", reason: "state of a running job is not served", unless: OFF },
  { keyPattern: "security.*", reason: "Weir has neither Kerberos nor TLS; remove the option", unless: OFF },
  { keyPattern: "rest.bind-port", reason: "set rest.port, the port that is listened on" },
  { keyPattern: "web.submit.enable", reason: "a job is a script that is run; none can be submitted", unless: OFF },
  { keyPattern: "web.cancel.enable", reason: "whoever may use the HTTP API may cancel a job", unless: ON },
  ...IGNORED_KEYS,
  { keyPattern: "rest.*", reason: HTTP },
  { keyPattern: "web.*", reason: HTTP },
];
