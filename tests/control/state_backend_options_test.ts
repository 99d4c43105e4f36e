import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { firstUsableDirectory } from "../../backends/embedded/local_directory.ts";
import { slotMemorySettings } from "../../backends/embedded/memory_settings.ts";
import { LMDB_EMBEDDED_OPTIONS, LSM_EMBEDDED_OPTIONS, splitDirectories } from "../../backends/embedded/options.ts";
import { SlotMemory } from "../../backends/embedded/slot_memory.ts";
import { BUFFER_STATE_METRICS, BUFFER_STORE_METRICS } from "../../backends/embedded/buffer_metrics.ts";
import { configuredLsm } from "../../backends/lsm/configured_lsm.ts";
import { LSM_STATE_METRICS, LSM_STORE_METRICS } from "../../backends/lsm/native_metrics.ts";
import { NATIVE_METRICS } from "../../backends/lsm/options.ts";
import { KNOWN_OPTIONS, REFUSED_KEYS } from "../../control/known_options.ts";
import { openWorkingDirectory } from "../../control/working_directory.ts";
import type { JobLock } from "../../checkpoint/job_lock.ts";
import { Configuration } from "../../core/config.ts";
import { StreamError } from "../../core/errors.ts";
import {
  collectSink,
  fromIterable,
  KeyedActor,
  lmdbBackend,
  lsmBackend,
  StreamEnvironment,
  valueState,
} from "../../mod.ts";
import { timerSettings } from "../../runtime/timer_settings.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

const MIB = 1024 ** 2;

class Keeper extends KeyedActor<number, number, number> {
  readonly #last = this.state(valueState<number>("last"));
  override onMessage(value: number): void {
    this.#last.update(value);
  }
}

function configured(entries: Readonly<Record<string, unknown>>): Configuration {
  const configuration = Configuration.of(entries);
  configuration.checkKnown(KNOWN_OPTIONS, REFUSED_KEYS);
  return configuration;
}

function slotBytes(entries: Readonly<Record<string, unknown>>, slots = 1, options = LSM_EMBEDDED_OPTIONS): number {
  return slotMemorySettings(configured(entries), options, slots).bytes;
}

test("slotMemorySettings() takes fixed-per-slot, else managed memory, else fixed-per-tm, else 128 MiB [268]", () => {
  equal(slotBytes({}), 128 * MIB);
  const all = {
    "taskmanager.memory.managed.size": "512 mb",
    "state.backend.rocksdb.memory.fixed-per-slot": "64 mb",
    "state.backend.rocksdb.memory.fixed-per-tm": "256 mb",
  };
  equal(slotBytes(all, 4), 64 * MIB);
  const { "state.backend.rocksdb.memory.fixed-per-slot": _, ...shared } = all;
  equal(slotBytes(shared, 4), 128 * MIB);
  equal(slotBytes({ ...shared, "state.backend.rocksdb.memory.managed": false }, 4), 64 * MIB);
  equal(slotBytes({ "state.backend.rocksdb.memory.fixed-per-tm": "256 mb" }, 4), 128 * MIB, "managed is the default");
  equal(slotBytes({ "state.backend.rocksdb.memory.managed": false }, 4), 128 * MIB);
});

test("slotMemorySettings() divides among the slots that are configured, or the job's if it needs more, rounded down [268]", () => {
  const managed = { "taskmanager.memory.managed.size": 100_000 };
  equal(slotBytes(managed, 3), 33_333);
  equal(slotBytes({ ...managed, "taskmanager.numberOfTaskSlots": 8 }, 3), 12_500);
  equal(slotBytes({ ...managed, "taskmanager.numberOfTaskSlots": 1 }, 3), 33_333);
  throws(() => slotBytes({ "taskmanager.memory.managed.size": 2 }, 3), {
    kind: "invalid",
    message: /among 3 slots: .*taskmanager\.memory\.managed\.size/,
  });
  for (const size of ["0", "-1 mb"]) {
    throws(() => slotBytes({ "state.backend.lsm.memory.fixed-per-slot": size }), { kind: "invalid" });
  }
});

test("slotMemorySettings() refuses what SlotMemory would, and names the option in full", () => {
  for (const options of [LSM_EMBEDDED_OPTIONS, LMDB_EMBEDDED_OPTIONS]) {
    const { key } = options.fixedPerSlot;
    throws(() => slotBytes({ [key]: "1 kb" }, 1, options), {
      kind: "invalid",
      message: new RegExp(`"${key.replaceAll(".", "\\.")}" from .*1024 bytes, must be 8192 or more; raise it or state`),
    });
    throws(() => slotBytes({ [key]: 8_191 }, 1, options), { kind: "invalid" });
    const settings = slotMemorySettings(configured({ [key]: 8_192 }), options, 1);
    equal(new SlotMemory(settings).writeBytes, 4_096);
    throws(() => new SlotMemory({ ...settings, bytes: 8_191 }), { kind: "invalid" });
  }
  throws(() => slotBytes({ "taskmanager.memory.managed.size": 20_000 }, 3), {
    message:
      /among 3 slots: 6666 bytes are left for each, must be 8192 or more; raise taskmanager\.memory\.managed\.size from/,
  });
});

test("a slot with too little memory ends the start, before a subtask is made", async () => {
  const config = { "state.backend.type": "lsm", "state.backend.lsm.memory.fixed-per-slot": "1 kb" };
  const env = StreamEnvironment.create({ argv: [], config });
  env.fromSource("numbers", fromIterable([1])).keyBy((n) => n).actor("keeper", () => new Keeper())
    .sinkTo("out", collectSink<number>());
  await rejects(env.executeAsync("little"), {
    name: "UsageError",
    message: /state\.backend\.lsm\.memory\.fixed-per-slot/,
  });
});

test("slotMemorySettings() refuses shares that leave nothing for blocks, as Flink does [265, 268]", () => {
  const shares = (writeBufferRatio: number, pool: number) =>
    slotMemorySettings(
      configured({
        "state.backend.lmdb.memory.write-buffer-ratio": writeBufferRatio,
        "state.backend.lmdb.memory.high-prio-pool-ratio": pool,
      }),
      LMDB_EMBEDDED_OPTIONS,
      1,
    );
  deepEqual(shares(0.4, 0.2), { bytes: 128 * MIB, writeBufferRatio: 0.4, highPriorityPoolRatio: 0.2 });
  for (const [write, pool] of [[0, 0.1], [1, 0.1], [0.5, 0], [0.5, 1], [-0.5, 0.1], [0.5, 1.5]] as const) {
    throws(() => shares(write, pool), { kind: "invalid", message: /between 0 and 1, neither included/ });
  }
  // 2 × 0.5 / 2.5 = 0.4 of the cache
  shares(0.5, 0.59);
  throws(() => shares(0.5, 0.61), { kind: "invalid", message: /write-buffer-ratio 0\.5 .*high-prio-pool-ratio 0\.61/ });
});

test("each native metric that has a switch is one of the store or of the write buffers", () => {
  const all = [...LSM_STORE_METRICS, ...LSM_STATE_METRICS, ...BUFFER_STORE_METRICS, ...BUFFER_STATE_METRICS];
  deepEqual(NATIVE_METRICS.map(({ name }) => name).sort(), all.sort());
});

test("native metrics are reported by their switches alone", async () => {
  const namesOf = async (settings: Parameters<typeof lsmBackend>[0]) => {
    const env = StreamEnvironment.create({ argv: [], stateBackend: lsmBackend(settings) });
    env.fromSource("numbers", fromIterable([1, 2, 3])).keyBy((n) => n).actor("keeper", () => new Keeper())
      .sinkTo("out", collectSink<number>());
    const job = await env.executeAsync("native metrics");
    await job.result;
    return job.metrics.snapshot().map(({ name }) => name).filter((name) => name.includes("rocksdb.")).sort();
  };
  deepEqual(await namesOf({}), []);
  const metrics = ["block-cache-usage", "bytes-read", "num-entries-active-mem-table"];
  const ofLast = ["rocksdb.block-cache-usage", "rocksdb.num-entries-active-mem-table"];
  const named = (await namesOf({ metrics })).filter((name) => !name.startsWith("_timer_state/"));
  deepEqual(named, [...ofLast.map((name) => `last.${name}`), "rocksdb.bytes-read"]);
  const labelled = await namesOf({ metrics, columnFamilyAsVariable: true });
  deepEqual(labelled.filter((name) => !name.includes("_timer_state/")), [
    ...ofLast.map((name) => `column_family.last.${name}`),
    "rocksdb.bytes-read",
  ]);
});

test("every key of Flink's RocksDB is known or refused with a reason", () => {
  const suffixes = "localdir checkpoint.transfer.thread.num timer-service.factory timer-service.cache-size " +
    "predefined-options options-factory memory.managed memory.fixed-per-slot memory.fixed-per-tm " +
    "memory.write-buffer-ratio memory.high-prio-pool-ratio memory.partitioned-index-filters thread.num files.open " +
    "log.level log.dir log.max-file-size log.file-num compaction.style compression.per.level " +
    "compaction.level.use-dynamic-size compaction.level.target-file-size-base compaction.level.max-size-level-base " +
    "writebuffer.size writebuffer.count writebuffer.number-to-merge block.blocksize block.metadata-blocksize " +
    "block.cache-size write-batch-size use-bloom-filter bloom-filter.bits-per-key bloom-filter.block-based-mode " +
    "restore-overlap-fraction-threshold use-ingest-db-restore-mode incremental-restore-async-compact-after-rescale " +
    "rescaling.use-delete-files-in-range compaction.filter.query-time-after-num-entries " +
    "manual-compaction.min-interval metrics.bytes-read metrics.column-family-as-variable";
  const known = new Set(KNOWN_OPTIONS.flatMap(({ key, oldNames }) => [key, ...oldNames]));
  for (const suffix of suffixes.split(" ")) {
    const key = `state.backend.rocksdb.${suffix}`;
    const refused = REFUSED_KEYS.find(({ keyPattern }) =>
      keyPattern.endsWith("*") ? key.startsWith(keyPattern.slice(0, -1)) : key === keyPattern
    );
    ok(known.has(key) !== (refused !== undefined), key);
  }
});

test("splitDirectories() splits on every separator that Flink knows [267]", () => {
  deepEqual(splitDirectories(["/a:/b,/c ; /d", "/e"]), ["/a", "/b", "/c", "/d", "/e"]);
  deepEqual(splitDirectories(["file:///a,file:/b:/c"]), ["/a", "/b", "/c"]);
  deepEqual(splitDirectories(["C:\\state;D:/state"]), ["C:\\state", "D:/state"]);
});

test("localdir refuses relative paths and remote ones [267]", () => {
  const { localDirectories } = LSM_EMBEDDED_OPTIONS;
  for (const wrong of ["tmp/state", "/a,state", "/a:b", "hdfs://host:1/a", "/a;s3://bucket/b", "", ","]) {
    throws(() => configured({ [localDirectories.key]: wrong }), { kind: "invalid", message: /localdir/ }, wrong);
  }
  deepEqual(configured({ "state.backend.rocksdb.localdir": "/a:/b" }).get(localDirectories), ["/a:/b"]);
});

test("firstUsableDirectory() skips what cannot be written to, and fails with all reasons when nothing can [267]", async () => {
  const fileSystem = new MemoryFileSystem();
  const random = new SeededRandom(1);
  await (await fileSystem.create("/file", "exclusive")).close();
  const ports = { fileSystem, random, key: "state.backend.lsm.localdir" };
  equal(await firstUsableDirectory(["/file/below", "/good/deep", "/other"], ports), "/good/deep");
  deepEqual(await fileSystem.list("/good/deep"), []);
  equal(await fileSystem.status("/other"), null);
  await rejects(firstUsableDirectory(["/file/a", "/file/b"], ports), {
    kind: "invalid",
    message: /no folder of state\.backend\.lsm\.localdir can be written to.*"\/file\/a".*"\/file\/b"/,
  });
});

/** Locks of several processes; those of a dead one are free. */
class Locks {
  readonly held = new Set<string>();
  ofProcess(): JobLock {
    return {
      acquire: (folder) => {
        if (this.held.has(folder)) return Promise.reject(new StreamError("invalid", "it is locked"));
        this.held.add(folder);
        return Promise.resolve({ release: () => Promise.resolve(void this.held.delete(folder)) });
      },
    };
  }
}

test("openWorkingDirectory() removes folders of processes that are gone, not those of living ones, nor others", async () => {
  const fileSystem = new MemoryFileSystem();
  const random = new SeededRandom(7);
  const locks = new Locks();
  await fileSystem.makeDirectory("/tmp/weir-mine/not");
  const open = () => openWorkingDirectory("/tmp", { fileSystem, random, jobLock: locks.ofProcess() });
  const living = await open();
  const dead = await open();
  await (await fileSystem.create(`${dead.path}/state`, "exclusive")).close();
  locks.held.delete(dead.path);
  const own = await open();
  deepEqual(
    await fileSystem.list("/tmp"),
    [living.path, own.path].map((path) => path.slice(5)).concat("weir-mine").sort(),
  );
  await own.close();
  await own.close();
  equal(await fileSystem.status(own.path), null);
  equal(locks.held.has(own.path), false);
  equal(locks.held.has(living.path), true);
});

test("timerSettings() lets the backend's own option win, reads Flink's values, and refuses a store that is not there", () => {
  const kind = (entries: Readonly<Record<string, unknown>>, backend = "lsm") =>
    timerSettings(configured(entries), backend).kind;
  equal(kind({}), null);
  equal(kind({ "timer-service.factory": "heap" }), "heap");
  equal(kind({ "timer-service.factory": "HEAP" }, "lmdb"), "heap");
  equal(kind({ "timer-service.factory": "ROCKSDB" }), "embedded");
  equal(kind({ "timer-service.factory": "heap", "state.backend.lsm.timer-service.factory": "embedded" }), "embedded");
  equal(
    kind({ "timer-service.factory": "heap", "state.backend.rocksdb.timer-service.factory": "rocksdb" }),
    "embedded",
  );
  equal(kind({ "state.backend.lmdb.timer-service.factory": "heap" }), null);
  equal(kind({ "state.backend.lmdb.timer-service.factory": "heap" }, "lmdb"), "heap");
  equal(
    kind({ "timer-service.factory": "heap", "state.backend.lsm.timer-service.factory": "embedded" }, "mine"),
    "heap",
  );
  equal(kind({ "state.backend.lsm.timer-service.factory": "embedded" }, "hashmap"), null);
  throws(() => kind({ "timer-service.factory": "embedded" }, "hashmap"), {
    kind: "invalid",
    message:
      /the state backend "hashmap" has no store for them; set it to heap, or state\.backend\.type to lsm or lmdb/,
  });
  equal(timerSettings(configured({}), "lsm").cacheSize, 128);
  equal(timerSettings(configured({ "timer-service.cache-size": 7 }), "lsm").cacheSize, 7);
  const own = { "timer-service.cache-size": 7, "state.backend.rocksdb.timer-service.cache-size": 9 };
  equal(timerSettings(configured(own), "lsm").cacheSize, 9);
});

test("lsmBackend() and lmdbBackend() are options that win over all others; a wrong one is refused by its name [265]", async () => {
  const configuration = configured({
    "state.backend.type": "hashmap",
    "state.backend.rocksdb.memory.fixed-per-slot": "1 gb",
    "state.backend.lsm.block.blocksize": "1 kb",
    "state.backend.lsm.use-bloom-filter": true,
  });
  const { entries, origin } = lsmBackend({ memoryPerSlot: "32 mb", bloomBitsPerKey: 0, metrics: ["bytes-read"] });
  const chosen = configuration.with(entries, origin);
  chosen.checkKnown(KNOWN_OPTIONS, REFUSED_KEYS);
  equal(slotMemorySettings(chosen, LSM_EMBEDDED_OPTIONS, 1).bytes, 32 * MIB);
  const { column, store } = configuredLsm(chosen, {});
  deepEqual([column.blockBytes, column.bloomBitsPerKey, store.metrics], [1_024, 0, ["bytes-read"]]);
  const lmdb = lmdbBackend({ timers: "heap", timerCacheSize: 5, directories: ["/a", "/b"], memoryPerSlot: 1_000_000 });
  const other = configuration.with(lmdb.entries, lmdb.origin);
  other.checkKnown(KNOWN_OPTIONS, REFUSED_KEYS);
  deepEqual(timerSettings(other, "lmdb"), { kind: "heap", cacheSize: 5 });
  deepEqual(other.get(LMDB_EMBEDDED_OPTIONS.localDirectories), ["/a", "/b"]);
  throws(() => lsmBackend({ metrics: ["nonsense"] }), { name: "RangeError", message: /"nonsense".*bytes-read/ });
  const env = StreamEnvironment.create({ argv: [], stateBackend: lsmBackend({ writeBufferRatio: 2 }) });
  await rejects(env.executeAsync("wrong"), { name: "UsageError", message: /write-buffer-ratio" from lsmBackend\(\)/ });
});
