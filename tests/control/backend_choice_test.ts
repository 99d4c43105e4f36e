import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Configuration } from "../../core/config.ts";
import { CountingBackend } from "../../examples/own_backend.ts";
import {
  collectSink,
  fileSystemStorage,
  fromIterable,
  heapBackend,
  heapBackendFactory,
  KeyedActor,
  lmdbBackend,
  lsmBackend,
  memoryStorage,
  StreamEnvironment,
  valueState,
} from "../../mod.ts";
import type { EnvironmentOptions } from "../../control/stream_environment.ts";
import type { Job } from "../../runtime/job.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/own_backend.ts", import.meta.url));
const STATE_BACKEND_ENTRY = new URL("../../state_backend.ts", import.meta.url).href;
const HEAP_FILE = new URL("../../backends/heap/heap_backend.ts", import.meta.url).href;

type Options = EnvironmentOptions<Record<never, never>>;

class Sum extends KeyedActor<number, number, number> {
  readonly #sum = this.state(valueState<number>("sum", { default: 0 }));
  override onMessage(value: number): void {
    this.#sum.update(this.#sum.value() + value);
    this.emit(this.#sum.value());
  }
}

/** A job that has run with these options; its state was used. */
async function ran(options: Options): Promise<Job> {
  const env = StreamEnvironment.create({ argv: [], ...options });
  const out = collectSink<number>();
  env.fromSource("numbers", fromIterable([1, 2, 3, 4])).keyBy((n) => n % 2).actor("sum", () => new Sum())
    .sinkTo("out", out);
  const job = await env.executeAsync("chosen");
  await job.result;
  deepEqual(out.values, [1, 2, 4, 6]);
  return job;
}

async function backendOf(options: Options): Promise<string> {
  const job = await ran(options);
  equal(job.memoryReport().backend, job.status().settings.stateBackend);
  return job.status().settings.stateBackend;
}

function counted(job: Job, name: string): unknown {
  return job.metrics.snapshot().find((metric) => metric.name === name)?.value;
}

function countingBackend(): CountingBackend {
  return new CountingBackend(Configuration.of({}));
}

/** Runs `use` with a file of this content. */
async function withFile(content: string, use: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-backend-"));
  try {
    await writeFile(join(folder, "own.ts"), content);
    await use(join(folder, "own.ts"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("state lives on the heap unless the configuration or the code says otherwise", async () => {
  equal(await backendOf({}), "hashmap");
  equal(await backendOf({ config: { "state.backend.type": "hashmap" } }), "hashmap");
  equal(await backendOf({ config: { "state.backend.type": "lsm" } }), "lsm");
  equal(await backendOf({ config: { "state.backend": "rocksdb" } }), "lsm");
  equal(await backendOf({ config: { "state.backend.type": "lmdb" } }), "lmdb");
});

test("the backend that a job chooses in code wins over the configuration, whichever it is", async () => {
  const configured = (type: string) => ({ argv: [`-Dstate.backend.type=${type}`] });
  equal(await backendOf({ ...configured("lsm"), stateBackend: heapBackend() }), "hashmap");
  equal(await backendOf({ ...configured("lsm"), stateBackend: heapBackendFactory }), "hashmap");
  equal(await backendOf({ ...configured("hashmap"), stateBackend: lsmBackend() }), "lsm");
  equal(await backendOf({ ...configured("lsm"), stateBackend: lmdbBackend() }), "lmdb");
  equal(await backendOf({ ...configured("lsm"), stateBackend: countingBackend() }), "counting");
  equal(await backendOf({ ...configured(`${EXAMPLE}#CountingBackend`), stateBackend: heapBackend() }), "hashmap");
  equal(await backendOf({ ...configured("hashmap"), config: { "state.backend.type": "lsm" } }), "lsm");
});

test("examples/own_backend.ts counts keys and snapshots, chosen in code", async () => {
  const job = await ran({
    stateBackend: countingBackend(),
    config: { "execution.checkpointing.interval": "1 h" },
  });
  equal(counted(job, "countedKeys"), 4);
  // A bounded job ends with a checkpoint.
  equal(counted(job, "countedSnapshots"), 1);
  ok(Number(counted(job, "countedSnapshotBytes")) > 0);
});

test("examples/own_backend.ts is chosen by configuration, has an option of its own, and is closed to wrong values", async () => {
  const chosen = { "state.backend.type": `${pathToFileURL(EXAMPLE).href}#CountingBackend` };
  const job = await ran({ config: chosen });
  equal(job.status().settings.stateBackend, "counting");
  equal(counted(job, "countedKeys"), 4);
  equal(counted(await ran({ config: { ...chosen, "counting.keys": false } }), "countedKeys"), undefined);
  // Whatever a message lists can be named.
  deepEqual(Object.keys(await import(pathToFileURL(EXAMPLE).href)), ["CountingBackend"]);
  // Its option exists as long as the configuration names it, whatever the code chooses.
  equal(await backendOf({ config: { ...chosen, "counting.keys": false }, stateBackend: lsmBackend() }), "lsm");
  await rejects(ran({ config: { ...chosen, "counting.keys": "many" } }), {
    name: "UsageError",
    message: /"counting\.keys" from code: value is "many", must be true or false/,
  });
  await rejects(ran({ config: { "counting.keys": false } }), { name: "UsageError", message: /no such option/ });
});

test("state.backend.type takes a factory, a choice, and functions that make one of them, now or later", async () => {
  const content = `
    import { heapBackendFactory } from "${HEAP_FILE}";
    export const factory = { ...heapBackendFactory, name: "object" };
    export const choice = { origin: "own.ts", entries: { "state.backend.type": "lsm" } };
    export const make = (configuration) => ({ ...heapBackendFactory, name: configuration.originOf({ key: "x", oldNames: [] }) });
    export const makeLater = () => Promise.resolve({ ...heapBackendFactory, name: "later" });
    export default factory;
  `;
  await withFile(content, async (path) => {
    const of = (reference: string) => backendOf({ config: { "state.backend.type": reference } });
    equal(await of(`${path}#factory`), "object");
    equal(await of(path), "object");
    equal(await of(`${path}#choice`), "lsm");
    equal(await of(`${path}#make`), "default");
    equal(await of(`${path}#makeLater`), "later");
  });
});

test("what state.backend.type names and is no backend is refused with what it is", async () => {
  const content = `
    import { stringOption } from "${STATE_BACKEND_ENTRY}";
    export const text = "heap";
    export const nameless = { create: () => null };
    export const idle = { name: "idle" };
    export const make = () => 7;
    export const fails = () => { throw new Error("out of luck"); };
    export class Wrong { static options = "none"; }
    export class Taken {
      static options = [stringOption("parallelism.default", { default: undefined, description: "" })];
    }
  `;
  const cases: readonly (readonly [name: string, message: RegExp])[] = [
    ["text", /it is a string, must be a StateBackendFactory/],
    ["nameless", /it is an object without a name/],
    ["idle", /it is an object without a function create/],
    ["make", /what it makes is a number/],
    ["fails", /it fails when it is given the configuration: out of luck/],
    ["Wrong", /its options are no list of options/],
    ["Taken", /Cannot use the state backend: it declares option "parallelism\.default", which exists already/],
    ["none", /it has no export|has no export "none"/],
  ];
  await withFile(content, async (path) => {
    for (const [name, message] of cases) {
      const running = ran({ config: { "state.backend.type": `${path}#${name}` } });
      await rejects(running, (error) => {
        ok(error instanceof Error && error.name === "UsageError", String(error));
        match(error.message, message);
        return true;
      }, name);
    }
  });
  await rejects(ran({ config: { "state.backend.type": "./none.ts#it" } }), {
    message: /there is no file ".*none\.ts"/,
  });
});

test("checkpointStorage in code wins over the configuration, with its settings", async () => {
  const settingsOf = async (options: Options) => (await ran(options)).status().settings.checkpointing;
  const folder = await mkdtemp(join(tmpdir(), "weir-storage-"));
  try {
    const config = {
      "execution.checkpointing.interval": "1 h",
      "state.checkpoints.dir": join(folder, "configured"),
      "state.storage.fs.memory-threshold": "1 kb",
    };
    const configured = await settingsOf({ config });
    deepEqual([configured?.directory, configured?.inlineThresholdBytes], [join(folder, "configured"), 1024]);
    const memory = await settingsOf({ config, checkpointStorage: memoryStorage({ maxStateSize: "10 mb" }) });
    deepEqual([memory?.directory, memory?.maxStateInMemoryBytes], [null, 10 * 1024 ** 2]);
    const url = pathToFileURL(join(folder, "code")).href;
    const files = await settingsOf({
      config,
      checkpointStorage: fileSystemStorage(url, { inlineThreshold: "4 kb", transfer: "copy" }),
    });
    deepEqual([files?.directory, files?.inlineThresholdBytes, files?.transfer], [join(folder, "code"), 4096, "copy"]);
    const plain = await settingsOf({ config, checkpointStorage: join(folder, "plain") });
    deepEqual([plain?.directory, plain?.inlineThresholdBytes], [join(folder, "plain"), 1024]);
  } finally {
    await rm(folder, { recursive: true });
  }
  await rejects(ran({ checkpointStorage: fileSystemStorage("s3://bucket/a") }), {
    name: "UsageError",
    message: /from fileSystemStorage\(\): value is "s3:\/\/bucket\/a", must be a local path/,
  });
});

test("a checkpoint in memory fails when a part of its state is larger than the storage allows", async () => {
  const running = ran({
    checkpointStorage: memoryStorage({ maxStateSize: 16 }),
    config: { "execution.checkpointing.interval": "1 h" },
    restart: { type: "none" },
  });
  await rejects(running, (error) => {
    const texts: string[] = [];
    for (let at = error; at instanceof Error; at = at.cause) texts.push(at.message);
    match(texts.join("\n"), /more than 16 bytes.*execution\.checkpointing\.dir/);
    return true;
  });
});

test("incremental checkpoints are switched by configuration and in code, which wins", async () => {
  const isIncremental = async (stateBackend?: Options["stateBackend"], configured?: boolean) => {
    const job = await ran({
      ...(stateBackend === undefined ? {} : { stateBackend }),
      config: {
        "execution.checkpointing.interval": "1 h",
        ...(configured === undefined ? {} : { "state.backend.incremental": configured }),
      },
    });
    return job.status().settings.checkpointing?.incremental;
  };
  equal(await isIncremental(), true, "the default of Weir, not of Flink");
  equal(await isIncremental(undefined, false), false);
  equal(await isIncremental(lsmBackend({ incremental: true }), false), true);
  equal(await isIncremental(lsmBackend({ incremental: false }), true), false);
  equal(await isIncremental(lsmBackend(), false), false);
  equal(await isIncremental(heapBackend({ incremental: false })), false);
});

test("managed memory is of no use to the heap, and state on disk does not run without [268]", async () => {
  const managed = (size: string) => ({ "taskmanager.memory.managed.size": size });
  const warnings = async (options: Options): Promise<string[]> => {
    const { configure, reset } = await import("@logtape/logtape");
    const lines: string[] = [];
    await configure({
      reset: true,
      sinks: { list: (record) => void lines.push(String(record.properties.notice)) },
      loggers: [{ category: ["weir"], lowestLevel: "warning", sinks: ["list"] }, {
        category: ["logtape", "meta"],
        lowestLevel: "error",
        sinks: [],
      }],
    });
    try {
      await ran(options);
    } finally {
      await reset();
    }
    return lines;
  };
  deepEqual(await warnings({ config: managed("0") }), []);
  const [warning, ...more] = await warnings({ config: managed("64 mb") });
  match(String(warning), /"taskmanager\.memory\.managed\.size" \(code\) has no effect: state on the heap takes/);
  deepEqual(more, []);
  deepEqual(await warnings({ config: managed("64 mb"), stateBackend: lsmBackend() }), []);
  await rejects(ran({ config: managed("0"), stateBackend: lsmBackend() }), {
    name: "UsageError",
    message: /Cannot keep state on disk without memory: taskmanager\.memory\.managed\.size from code is 0/,
  });
  equal(await backendOf({ config: managed("0"), stateBackend: lsmBackend({ memoryPerSlot: "1 mb" }) }), "lsm");
});

test("what is chosen in code and is no state backend or storage is refused at once, with what it must be", () => {
  const create = (options: object) => () => StreamEnvironment.create({ argv: [], ...options });
  const backend = (text: string) => ({
    name: "TypeError",
    message: `Cannot use ${text} as stateBackend: it must be heapBackend(…), lsmBackend(…), lmdbBackend(…) or a ` +
      "StateBackendFactory, an object with a name and a function create",
  });
  throws(create({ stateBackend: "lsm" }), backend('"lsm"'));
  throws(create({ stateBackend: lsmBackend }), backend("the function lsmBackend"));
  throws(create({ stateBackend: null }), backend("null"));
  throws(create({ stateBackend: { create: () => null } }), backend("an object of another shape"));
  const storage = {
    message: /as checkpointStorage: it must be memoryStorage\(…\), fileSystemStorage\(…\) or the path of a folder$/,
  };
  throws(create({ checkpointStorage: 5 }), storage);
  throws(create({ checkpointStorage: memoryStorage }), storage);
  // The word of the configuration would be a folder of that name.
  throws(create({ checkpointStorage: "jobmanager" }), /path of a folder; a folder of this name is ".\/jobmanager"$/);
  for (const stateBackend of [heapBackend(), lsmBackend(), lmdbBackend(), heapBackendFactory]) {
    create({ stateBackend })();
  }
  for (const one of ["./jobmanager", memoryStorage(), fileSystemStorage("/x")]) create({ checkpointStorage: one })();
});
