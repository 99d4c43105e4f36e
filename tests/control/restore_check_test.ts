import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { checkRestore, type RestoreCheck, restoreCheckText } from "../../control/restore_check.ts";
import { describePipeline } from "../../control/describe_pipeline.ts";
import { UsageError } from "../../control/usage_error.ts";
import { Configuration } from "../../core/config.ts";
import {
  broadcastState,
  collectSink,
  type DataStream,
  emits,
  KeyedActor,
  listState,
  operatorListState,
  type StateDescriptor,
  str,
  type ValueState,
  valueState,
  type ValueStateDescriptor,
} from "../../mod.ts";
import { jobSettings } from "../../runtime/job_settings.ts";
import { Pipeline } from "../../runtime/pipeline.ts";
import type { StreamGraph } from "../../runtime/stream_graph.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { HEAP, LSM } from "../support/backend_kinds.ts";
import { TestWorld } from "../support/job_harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import type { MemoryFileSystem } from "../support/memory_file_system.ts";
import { COUNT, numbers, startSample } from "./cli/sample_job.ts";

/** A pipeline that is looked at only. */
class Described extends Pipeline {
  constructor(build: (pipeline: Pipeline) => void) {
    super();
    build(this);
  }

  get written(): StreamGraph {
    return this.graph;
  }
}

/** Declares what it is given; does nothing else, and must not. */
class Declaring extends KeyedActor<string, number, number> {
  constructor(states: readonly StateDescriptor[]) {
    super();
    this.metrics.counter("made");
    // The overload is chosen by the kind, which is not known here.
    for (const state of states) (this.state as (one: StateDescriptor) => unknown)(state);
  }

  override onOpen(): never {
    throw new Error("opened");
  }

  override onMessage(): never {
    throw new Error("ran");
  }
}

const settings = (config: Record<string, unknown> = {}) => jobSettings("test", Configuration.of(config));

function ports(fileSystem: MemoryFileSystem) {
  return { clock: new ManualClock(), random: new SeededRandom(), fileSystem };
}

/** A source that cannot be opened. */
const unopened = (pipeline: Pipeline, name = "numbers"): DataStream<number> =>
  pipeline.fromSource<number>(name, {
    boundedness: "bounded",
    replayable: true,
    open: () => Promise.reject(new Error("opened")),
  });

test("describePipeline() names operators and the states that they declare, and opens nothing", async () => {
  const { written } = new Described((pipeline) => {
    const rules = broadcastState<string, number>("rules");
    unopened(pipeline)
      .map((n) => n)
      .process("step", {
        emits: emits<number>(),
        state: { rules },
        onOpen: () => {
          throw new Error("opened");
        },
        onMessage: () => {},
      })
      .keyBy(() => "all")
      .actor("actor", () => new Declaring([valueState("a", { serializer: str }), listState("b")]))
      .keyBy(() => "all")
      .process<number>("keyed step", { state: { x: valueState<number>("c") }, onMessage: () => {} })
      .keyBy(() => "all")
      .reduce("sum", (left, right) => left + right)
      .sinkTo("out", { guarantee: "at-least-once", open: () => Promise.reject(new Error("opened")) });
  });
  const { fileSystem } = new TestWorld();
  const described = await describePipeline(written, settings({ "parallelism.default": 3 }), ports(fileSystem));
  deepEqual(
    described.map(({ name, kind, parallelism, states, lists }) => [
      name,
      kind,
      parallelism,
      ...[...states, ...lists].map((state) => `${state.kind} ${state.name}`),
    ]),
    [
      ["numbers", "source", 3],
      ["map-1", "stateless", 3],
      ["step", "stateless", 3, "broadcast rules"],
      ["actor", "keyed", 3, "value a", "list b"],
      ["keyed step", "keyed", 3, "value c"],
      ["sum", "keyed", 3, "reducing fold"],
      ["out", "sink", 3],
    ],
  );
  ok(
    described.every(({ maxParallelism, maxParallelismIsExplicit }) =>
      maxParallelism === 128 && !maxParallelismIsExplicit
    ),
  );
});

test("describePipeline() names what operators with two inputs, and those that are told messages, declare", async () => {
  const { written } = new Described((pipeline) => {
    const rules = unopened(pipeline, "rules").broadcast();
    const keyed = unopened(pipeline).keyBy(() => "all");
    const total = valueState<number>("total");
    keyed.connect(rules).process("both", {
      state: { total },
      broadcast: { rules: broadcastState<string, number>("rules") },
      onMessage: () => {},
      onBroadcast: () => {},
    });
    unopened(pipeline, "others").connect(rules).processBroadcast("gate", {
      broadcast: { open: broadcastState<string, boolean>("open") },
      onMessage: () => {},
      onBroadcast: () => {},
    });
    keyed.process("teller", { tells: ["told"], onMessage: () => {} });
    keyed.process("told", { onMessage: () => {} });
  });
  const described = await describePipeline(written, settings(), ports(new TestWorld().fileSystem));
  deepEqual(
    described.filter(({ kind }) => kind !== "source").map(({ name, takesLists, isTold, states, lists }) => [
      name,
      takesLists,
      isTold,
      ...[...states, ...lists].map((state) => `${state.kind} ${state.name}`),
    ]),
    [
      ["teller", false, false],
      ["told", false, true, "list weir.told-later"],
      ["both", true, false, "value total", "broadcast rules"],
      ["gate", true, false, "broadcast open"],
    ],
  );
});

test("describePipeline() fails as the start would when an actor declares a state twice with different kinds", async () => {
  const { written } = new Described((pipeline) => {
    unopened(pipeline).keyBy(() => "all").actor("actor", () => new Declaring([valueState("a"), listState("a")]));
  });
  await rejects(
    describePipeline(written, settings(), ports(new TestWorld().fileSystem)),
    /Cannot declare list state "a"/,
  );
});

/** What becomes of the sample job's states when the actor declares others. */
async function checked(
  declared: readonly StateDescriptor[],
  config: Record<string, unknown> = {},
): Promise<RestoreCheck> {
  const world = new TestWorld();
  const { process, checkpoint } = await startSample(world, HEAP.options);
  const path = await checkpoint();
  process.kill();
  const { written } = new Described((pipeline) => {
    unopened(pipeline)
      .process("buffer", {
        emits: emits<number>(),
        state: { last: operatorListState<number>("last", { distribution: "union" }) },
        onMessage: () => {},
      })
      .keyBy(() => "all")
      .actor("everything", () => new Declaring(declared))
      .sinkTo("out", collectSink());
  });
  return await checkRestore(written, settings(config), ports(world.fileSystem), path);
}

test("checkRestore() tells what becomes of each state of a real checkpoint", async () => {
  const check = await checked([
    valueState("total"),
    listState("numbers", { version: 2, migrate: (old) => old }),
    valueState("names"),
    valueState("fresh"),
    valueState("big", { version: 2 }),
  ]);
  equal(check.fits, false);
  const outcomes = Object.fromEntries(check.operators.map(({ name, outcome, states }) => [
    name,
    [outcome, ...states.map((state) => `${state.name} ${state.outcome}`)],
  ]));
  deepEqual(outcomes, {
    numbers: ["as-is"],
    buffer: ["as-is", "last refused"],
    everything: [
      "as-is",
      // f64 before, chosen by the value now.
      "total refused",
      "numbers migrated",
      "names refused",
      "fresh new",
      "big refused",
      "longest kept",
      "mean kept",
      "point kept",
      "raw kept",
    ],
    out: ["as-is"],
  });
  const text = restoreCheckText(check);
  match(text, /^"test" would not restore from checkpoint \d+ in \/checkpoints\//);
  match(
    text,
    /\n {4}value state "total": REFUSED: its values were written by serializer "f64" version 1, schema version 1, which .*\n/,
  );
  match(text, /\n {4}value state "names": REFUSED: it is map state there and value state here/);
  match(text, /\n {4}union state "last": REFUSED: it is dealt out as "split" there and as "union" here/);
});

class Versioned extends KeyedActor<number, number, number> {
  readonly #last: ValueState<unknown>;

  constructor(descriptor: ValueStateDescriptor<unknown>) {
    super();
    this.#last = this.state(descriptor);
  }

  override onMessage(n: number): void {
    this.#last.update(n);
  }
}

test("checkRestore() asks for no migrate() of a version of which no value is left", async () => {
  const world = new TestWorld();
  const version2 = valueState<unknown>("last", { version: 2 });
  const migrating = valueState<unknown>("last", { version: 2, migrate: (old) => old });
  const build = (descriptor: ValueStateDescriptor<unknown>) => (pipeline: Pipeline) =>
    pipeline.fromSource("numbers", numbers(COUNT)).keyBy((n) => n % 4).actor("last", () => new Versioned(descriptor))
      .sinkTo("out", collectSink<number>());
  const fits = async (descriptor: ValueStateDescriptor<unknown>, path: string) => {
    const { written } = new Described(build(descriptor));
    return (await checkRestore(written, settings(), ports(world.fileSystem), path)).fits;
  };
  const isIncremental = { "execution.checkpointing.incremental": true };
  const config = { ...LSM.options.config, ...isIncremental };
  let argv: string[] = [];
  for (const [descriptor, expected] of [[valueState<unknown>("last"), false], [migrating, true]] as const) {
    const process = await world.start((env) => build(descriptor)(env), { ...LSM.options, config, argv });
    await process.until(() => process.job.status().state === "running");
    await process.forMs(COUNT + 20);
    const { externalPath } = await process.settled(process.job.triggerCheckpoint("incremental"));
    equal(await fits(version2, externalPath), expected);
    equal(await fits(migrating, externalPath), true);
    process.job.stop();
    await process.end();
    argv = ["--from", "latest"];
  }
});

test("checkRestore() applies the rules of max parallelism as configured", async () => {
  const explicit = await checked([], { "pipeline.max-parallelism": 64 });
  equal(explicit.fits, false);
  match(restoreCheckText(explicit), /everything: REFUSED: .*its max parallelism is 64, must be 16/);
  const wide = await checked([], { "parallelism.default": 17 });
  match(restoreCheckText(wide), /everything: REFUSED, parallelism 1 → 17: .*must be at most 16/);
});

test("checkRestore() without a path takes that of --from; latest is the newest of the job's lineage", async () => {
  const world = new TestWorld();
  const config = { "execution.checkpointing.interval": 20, "execution.checkpointing.dir": "/checkpoints" };
  const { written } = new Described((pipeline) => unopened(pipeline).sinkTo("out", collectSink()));
  const check = async (from?: string, over: Record<string, unknown> = config) =>
    await checkRestore(
      written,
      settings({ ...over, ...(from === undefined ? {} : { "execution.state-recovery.path": from }) }),
      ports(world.fileSystem),
      null,
    );
  const none = await check("latest");
  deepEqual([none.snapshot, none.fits, restoreCheckText(none)], [
    null,
    true,
    '"test" has no checkpoint yet: it would start without state',
  ]);
  await rejects(
    check(),
    (error) => error instanceof UsageError && /add --from PATH or --from latest/.test(error.message),
  );
  await rejects(check("latest", {}), (error) => error instanceof UsageError);
  const { process, checkpoint } = await startSample(world, HEAP.options);
  const path = await checkpoint();
  process.kill();
  for (const from of ["latest", path, `${path}/_metadata`]) {
    const found = await check(from);
    deepEqual([found.snapshot?.path, found.fits], [path, false]);
    match(restoreCheckText(found), /everything: REFUSED: the script has no such operator/);
  }
  await rejects(check("/nowhere"), /Cannot restore from "\/nowhere": there is no such file or folder/);
  const dropping = await check(path, { ...config, "execution.state-recovery.ignore-unclaimed-state": true });
  equal(dropping.fits, true);
  match(restoreCheckText(dropping), /everything: DROPPED: the script has no such operator: its state is lost\n/);
});
