import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CHECKPOINT_DIR, CHECKPOINT_STORAGE, INLINE_THRESHOLD, SAVEPOINT_DIR } from "../../checkpoint/options.ts";
import { loadConfiguration, type LoadedConfiguration } from "../../control/config_sources.ts";
import { KNOWN_OPTIONS, REFUSED_KEYS } from "../../control/known_options.ts";
import type { Configuration } from "../../core/config.ts";
import { collectSink, fromIterable, StreamEnvironment } from "../../mod.ts";
import { jobSettings } from "../../runtime/job_settings.ts";
import { STATE_BACKEND } from "../../runtime/options.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

const PATH = fileURLToPath(new URL("./flink-conf.yaml", import.meta.url));

/** What a configuration file of this content comes to. */
function load(content: string): Promise<LoadedConfiguration> {
  return loadConfiguration({
    commandLine: { entries: {}, configPath: "flink-conf.yaml" },
    environment: {},
    readFile: () => Promise.resolve(new TextEncoder().encode(content)),
  });
}

async function configured(...lines: readonly string[]): Promise<Configuration> {
  return (await load(lines.join("\n"))).configuration;
}

/** The file with other lines for some of its keys. */
async function fileWith(...lines: readonly string[]): Promise<string> {
  const keys = new Set(lines.map((line) => line.slice(0, line.indexOf(":"))));
  const kept = (await readFile(PATH, "utf8")).split("\n").filter((line) => !keys.has(line.slice(0, line.indexOf(":"))));
  return [...kept, ...lines].join("\n");
}

for (const backend of ["hashmap", "rocksdb"]) {
  test(`a job runs with the flink-conf.yaml of a Flink 1.18 user as it is, state in ${backend}`, async () => {
    const fileSystem = new MemoryFileSystem();
    const file = await fileSystem.create("flink-conf.yaml", "exclusive");
    const text = backend === "hashmap" ? await readFile(PATH, "utf8") : await fileWith(`state.backend: ${backend}`);
    await file.write(new TextEncoder().encode(text));
    await file.close();
    const env = StreamEnvironment.create({
      argv: ["--config", "flink-conf.yaml"],
      ports: { fileSystem, jobLock: { acquire: () => Promise.resolve({ release: () => Promise.resolve() }) } },
    });
    const out = collectSink<number>();
    env.fromSource("numbers", fromIterable([1, 2, 3])).keyBy((n) => n % 2).reduce("sum", (sum, n) => sum + n)
      .sinkTo("out", out);
    const job = await env.executeAsync("flink user");
    equal((await job.result).state, "finished");
    deepEqual(out.values, [1, 2, 4]);
    equal(job.status().settings.stateBackend, backend === "rocksdb" ? "lsm" : "hashmap");
    // Where the file says, and retained as it says.
    ok(await fileSystem.status(`/tmp/weir-flink-conf/checkpoints/${job.id}/chk-1/_metadata`));
    equal(job.checkpoints.latestCompleted?.externalPath, `/tmp/weir-flink-conf/checkpoints/${job.id}/chk-1`);
  });
}

test("keys of the cluster in a flink-conf.yaml are named in one notice, with the reasons", async () => {
  const { configuration } = await load(await readFile(PATH, "utf8"));
  const passed = configuration.notices.filter((notice) => notice.includes("passed over"));
  equal(passed.length, 1);
  const [notice = ""] = passed;
  match(notice, /^Options of file "flink-conf\.yaml" that are passed over: /);
  const named = [
    "jobmanager.rpc.address",
    "jobmanager.rpc.port",
    "jobmanager.bind-host",
    "jobmanager.memory.process.size",
    "taskmanager.bind-host",
    "taskmanager.host",
    "taskmanager.memory.process.size",
    "env.java.opts.all",
    "jobmanager.execution.failover-strategy",
    "state.storage.fs.write-buffer-size",
  ];
  deepEqual(named.filter((key) => !notice.includes(key)), []);
  for (const reason of [/one process without a JVM/, /restarts the whole job/, /chooses itself how it writes/]) {
    match(notice, reason);
  }
  // Those that work are not.
  for (const key of ["parallelism.default", "taskmanager.numberOfTaskSlots", "rest.address", "unaligned"]) {
    ok(!notice.includes(key), key);
  }
});

test("the many old names in a flink-conf.yaml are told in one line, each with the new one", async () => {
  const { configuration } = await load(await readFile(PATH, "utf8"));
  const renamed = configuration.notices.filter((notice) => notice.includes("new name"));
  equal(renamed.length, 1);
  for (
    const pair of [
      "state.backend → state.backend.type",
      "state.checkpoint-storage → execution.checkpointing.storage",
      "state.checkpoints.dir → execution.checkpointing.dir",
      "state.storage.fs.memory-threshold → execution.checkpointing.data-inline-threshold",
      "state.backend.rocksdb.memory.managed → state.backend.lsm.memory.managed",
    ]
  ) ok(renamed[0]!.includes(pair), pair);
  equal(configuration.notices.length, 2);
});

test("the settings of a flink-conf.yaml are those of the job", async () => {
  const { configuration } = await load(await readFile(PATH, "utf8"));
  const { checkpointing, savepoints } = jobSettings("job", configuration);
  equal(checkpointing?.directory, "/tmp/weir-flink-conf/checkpoints");
  equal(savepoints.directory, "/tmp/weir-flink-conf/savepoints");
  deepEqual(
    [checkpointing?.intervalMs, checkpointing?.timeoutMs, checkpointing?.retained, checkpointing?.incremental],
    [180_000, 600_000, 1, true],
  );
  equal(configuration.get(INLINE_THRESHOLD), 20 * 1024);
});

test("MemoryStateBackend of the page's last chapter: hashmap and jobmanager, also by its old spellings", async () => {
  const now = await configured("state.backend: hashmap", "state.checkpoint-storage: jobmanager");
  equal(now.get(STATE_BACKEND), "hashmap");
  equal(now.get(CHECKPOINT_STORAGE), "jobmanager");
  for (
    const old of [
      "jobmanager",
      "org.apache.flink.runtime.state.memory.MemoryStateBackend",
      "org.apache.flink.runtime.state.memory.MemoryStateBackendFactory",
    ]
  ) {
    const before = await configured(`state.backend: ${old}`);
    equal(before.get(STATE_BACKEND), "hashmap");
    equal(jobSettings("job", before.with({ "execution.checkpointing.interval": 1 })).checkpointing?.directory, null);
    deepEqual(before.notices, [
      `Option "state.backend: ${old}" (file "flink-conf.yaml") is written otherwise now: ` +
      '"state.backend.type: hashmap" with "execution.checkpointing.storage: jobmanager"',
    ]);
  }
});

test("FsStateBackend of the page's last chapter: hashmap and filesystem, also by its old spellings", async () => {
  const directory = "state.checkpoints.dir: file:///checkpoint-dir/";
  const interval = "execution.checkpointing.interval: 1 s";
  const now = await configured("state.backend: hashmap", directory, "state.checkpoint-storage: filesystem", interval);
  equal(jobSettings("job", now).checkpointing?.directory, "/checkpoint-dir/");
  for (
    const old of [
      "filesystem",
      "org.apache.flink.runtime.state.filesystem.FsStateBackend",
      "org.apache.flink.runtime.state.filesystem.FsStateBackendFactory",
    ]
  ) {
    const before = await configured(
      `state.backend.type: ${old}`,
      "state.backend.fs.checkpointdir: file:///checkpoint-dir/",
      "state.backend.fs.memory-threshold: 1 kb",
      "state.backend.async: true",
      interval,
    );
    const { checkpointing } = jobSettings("job", before);
    equal(before.get(STATE_BACKEND), "hashmap");
    deepEqual([checkpointing?.directory, checkpointing?.inlineThresholdBytes], ["/checkpoint-dir/", 1024]);
    equal(before.notices.filter((notice) => notice.includes(`"state.backend.type: ${old}"`)).length, 1);
    ok(before.notices.some((notice) =>
      notice.endsWith(
        '"state.backend.type: hashmap" with "execution.checkpointing.storage: filesystem" and "execution.checkpointing.dir"',
      )
    ));
    ok(before.notices.some((notice) => /state\.backend\.async \(snapshots are always written async/.test(notice)));
  }
});

test("RocksDBStateBackend of the page's last chapter: lsm and filesystem, also by its old spellings", async () => {
  for (
    const old of [
      "rocksdb",
      "org.apache.flink.contrib.streaming.state.RocksDBStateBackend",
      "org.apache.flink.contrib.streaming.state.RocksDBStateBackendFactory",
      "org.apache.flink.contrib.streaming.state.EmbeddedRocksDBStateBackend",
      "org.apache.flink.contrib.streaming.state.EmbeddedRocksDBStateBackendFactory",
    ]
  ) {
    const configuration = await configured(
      `state.backend: ${old}`,
      "state.checkpoints.dir: file:///checkpoint-dir/",
      "state.checkpoint-storage: org.apache.flink.runtime.state.storage.FileSystemCheckpointStorage",
      "execution.checkpointing.interval: 1 s",
    );
    equal(configuration.get(STATE_BACKEND), "lsm");
    equal(jobSettings("job", configuration).checkpointing?.directory, "/checkpoint-dir/");
    deepEqual(configuration.notices.filter((notice) => notice.includes(old)), [
      `Option "state.backend: ${old}" (file "flink-conf.yaml") is written otherwise now: "state.backend.type: lsm"`,
    ]);
  }
});

test("the page's settings of the changelog start a job; where its files go is Weir's own", async () => {
  const configuration = await configured(
    "state.backend.changelog.enabled: true",
    "state.backend.changelog.storage: filesystem",
    "dstl.dfs.base-path: s3://<bucket-name>",
    "execution.checkpointing.max-concurrent-checkpoints: 1",
    "execution.checkpointing.interval: 1 s",
    "state.checkpoints.dir: file:///checkpoint-dir",
  );
  const { changelog } = jobSettings("job", configuration);
  equal(changelog?.inFiles, true);
  ok(
    configuration.notices.some((notice) => /passed over: dstl\.dfs\.base-path \(the log is in the folder/.test(notice)),
  );
});

test("checkpoint storage is derived from the presence of a folder; filesystem without one is an error", async () => {
  const interval = "execution.checkpointing.interval: 1 s";
  const directoryOf = async (...lines: readonly string[]) =>
    jobSettings("job", await configured(interval, ...lines)).checkpointing?.directory;
  equal(await directoryOf(), null);
  equal(await directoryOf("state.checkpoints.dir: /a"), "/a");
  equal(await directoryOf("state.checkpoints.dir: /a", "state.checkpoint-storage: jobmanager"), null);
  await rejects(directoryOf("state.checkpoint-storage: filesystem"), { kind: "invalid", message: /dir is not set/ });
});

test("a file: URL is a folder of this machine; folders of other machines are refused with the reason", async () => {
  const dir = async (value: string) => (await configured(`state.checkpoints.dir: "${value}"`)).get(CHECKPOINT_DIR);
  equal(await dir("file:///a/b c"), "/a/b c");
  equal(await dir("FILE:/a"), "/a");
  equal(await dir("/a"), "/a");
  equal((await configured("state.savepoints.dir: file:///s")).get(SAVEPOINT_DIR), "/s");
  equal(
    (await configured("execution.savepoint.path: file:///s/sp")).get(
      KNOWN_OPTIONS.find(({ key }) => key === "execution.state-recovery.path")!,
    ),
    "/s/sp",
  );
  for (const remote of ["hdfs://namenode:40010/flink/checkpoints", "s3://bucket/a", "file://host/a"]) {
    await rejects(dir(remote), { kind: "invalid", message: /state\.checkpoints\.dir.* a (local )?path/ }, remote);
  }
  // HDFS is no object store: none of a later version will do.
  await rejects(dir("hdfs://namenode:9000/a"), { message: /a local path \(mount what is on other machines\)/ });
  await rejects(dir("s3a://bucket/a"), { message: /object stores come in a later version/ });
});

test("keys that promise what Weir does not do stay errors, but for the values that ask for nothing", async () => {
  const cases: readonly (readonly [key: string, accepted: string | null, refused: string])[] = [
    ["execution.checkpointing.unaligned.enabled", "false", "true"],
    ["execution.checkpointing.unaligned", "false", "true"],
    ["state.backend.local-recovery", "false", "true"],
    ["execution.checkpointing.snapshot-compression", "false", "true"],
    ["taskmanager.network.memory.buffer-debloat.enabled", "false", "true"],
    ["pipeline.object-reuse", "true", "false"],
    ["state.checkpoints.create-subdir", "true", "false"],
    ["high-availability.type", "NONE", "zookeeper"],
    ["high-availability", "none", "kubernetes"],
    ["jobmanager.scheduler", "Default", "Adaptive"],
    ["scheduler-mode", null, "reactive"],
    ["execution.runtime-mode", "STREAMING", "BATCH"],
    ["security.ssl.internal.enabled", "false", "true"],
    ["security.ssl.rest.enabled", "false", "true"],
    ["web.submit.enable", "false", "true"],
    ["web.cancel.enable", "true", "false"],
    ["rest.flamegraph.enabled", null, "true"],
    ["fs.default-scheme", "file:///", "hdfs://namenode:9000/"],
  ];
  for (const [key, accepted, wrong] of cases) {
    if (accepted !== null) deepEqual((await configured(`${key}: ${accepted}`)).notices, [], key);
    await rejects(load(await fileWith(`${key}: ${wrong}`)), { name: "UsageError", message: new RegExp(key) }, key);
  }
  await rejects(configured("state.backend: com.example.OwnBackendFactory"), {
    name: "UsageError",
    message:
      /"com\.example\.OwnBackendFactory", must be one of hashmap, lsm, lmdb, or a factory of your own as \.\/path/,
  });
});

test("a pattern of ignored keys hides none that is known or refused with a reason", () => {
  const names = KNOWN_OPTIONS.flatMap(({ key, oldNames }) => [key, ...oldNames]);
  for (const [at, { keyPattern, isIgnored }] of REFUSED_KEYS.entries()) {
    const earlier = REFUSED_KEYS.slice(0, at).find((rule) =>
      rule.keyPattern.endsWith("*") && keyPattern.startsWith(rule.keyPattern.slice(0, -1))
    );
    equal(earlier?.keyPattern, undefined, `${keyPattern} is never reached`);
    if (isIgnored) ok(!names.includes(keyPattern), keyPattern);
  }
});
