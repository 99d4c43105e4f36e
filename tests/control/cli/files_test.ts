import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { collectSink, fromIterable, KeyedActor, mapState } from "../../../mod.ts";
import { BACKEND_KINDS, HEAP } from "../../support/backend_kinds.ts";
import { TestWorld } from "../../support/job_harness.ts";
import { type CliEnd, weir } from "./cli_rig.ts";
import { COUNT, expectedLines, GROUPS, startSample } from "./sample_job.ts";

type Lines = ReturnType<typeof expectedLines>;

const EXPECTED = expectedLines();

/** The lines that a dump prints. */
async function dumped(world: TestWorld, path: string, ...flags: string[]): Promise<string[]> {
  const { code, out, err } = await weir(["dump", path, "--operator", "everything", ...flags], {
    fileSystem: world.fileSystem,
  });
  equal(code, 0, err);
  return out.split("\n").slice(0, -1);
}

async function checkDumps(world: TestWorld, path: string, expected: Lines, context: string): Promise<void> {
  for (const [state, lines] of expected) {
    deepEqual(await dumped(world, path, "--state", state), lines, `${context}, ${state}`);
  }
}

async function inspected(world: TestWorld, path: string, ...flags: string[]): Promise<Record<string, never>> {
  const { code, out, err } = await weir(["inspect", path, "--json", ...flags], { fileSystem: world.fileSystem });
  equal(code, 0, err);
  return JSON.parse(out);
}

for (const { name, options } of BACKEND_KINDS) {
  test(
    `weir dump and inspect read increments, rescaled checkpoints and savepoints of ${name}`,
    { timeout: 60_000 },
    async () => {
      const world = new TestWorld();
      let from: string[] = [];
      for (const [parallelism, count] of [[1, 40], [3, 50], [2, COUNT]] as const) {
        const expected = expectedLines(count);
        const config = { ...options.config, "parallelism.default": parallelism };
        const { process, checkpoint } = await startSample(world, { ...options, argv: from, config }, count);
        const path = await checkpoint();
        await checkDumps(world, path, expected, `${name} at ${parallelism}`);
        const inspections = [await inspected(world, path)];
        for (const format of ["canonical", "native"] as const) {
          const taken = await process.settled(process.job.triggerSavepoint({ directory: "/savepoints", format }));
          await checkDumps(world, taken.path, expected, `${name} at ${parallelism}, ${format} savepoint`);
          inspections.push(await inspected(world, taken.path));
        }
        deepEqual(inspections.map(({ type, format }) => [type, format]), [
          ["checkpoint", null],
          ["savepoint", "canonical"],
          ["savepoint", "native"],
        ]);
        checkCounts(inspections, parallelism, expected);
        process.kill();
        from = ["--from", "latest"];
      }
    },
  );
}

/** Every way of writing the same state is counted the same. */
function checkCounts(inspections: readonly Record<string, never>[], parallelism: number, expected: Lines): void {
  for (const inspection of inspections) {
    const { operators } = inspection as unknown as Inspection;
    const everything = operators.find((operator) => operator.name === "everything")!;
    deepEqual([everything.parallelism, everything.maxParallelism], [parallelism, GROUPS]);
    const users = everything.states.filter(({ kind }) => kind !== "rows");
    deepEqual(
      users.map((state) => [state.name, state.entries]),
      [...expected].map(([state, lines]) => [state, lines.length]).sort(),
    );
    for (const { name, keys } of users) {
      equal(keys, new Set(expected.get(name)!.map((line) => JSON.stringify(JSON.parse(line).key))).size, name);
    }
  }
}

interface Inspection {
  readonly operators: readonly {
    readonly name: string;
    readonly parallelism: number;
    readonly maxParallelism: number;
    readonly states: readonly {
      name: string;
      kind: string;
      keys: number | null;
      entries: number | null;
      bytes: number | null;
    }[];
    readonly lists: readonly { name: string; distribution: string; items: number }[];
  }[];
}

/** A checkpoint of the sample job on the heap. */
async function sample(): Promise<{ readonly world: TestWorld; readonly path: string }> {
  const world = new TestWorld();
  const { process, checkpoint } = await startSample(world, HEAP.options);
  const path = await checkpoint();
  process.kill();
  return { world, path };
}

test("weir dump --key gives the rows of one key, of any type, and none of a key that is not there", async () => {
  const { world, path } = await sample();
  for (const state of ["total", "numbers", "names"]) {
    const lines = EXPECTED.get(state)!;
    for (const key of new Set(lines.map((line) => JSON.stringify(JSON.parse(line).key)))) {
      const own = lines.filter((line) => JSON.stringify(JSON.parse(line).key) === key);
      deepEqual(await dumped(world, path, "--state", state, "--key", key), own, key);
    }
    deepEqual(await dumped(world, path, "--state", state, "--key", '"nobody"'), []);
  }
  // What is no JSON is the string itself.
  equal((await dumped(world, path, "-s", "total", "-k", "k0")).length, 1);
});

test("weir dump gives timers with their times, of one key too, and lists of operators", async () => {
  const { world, path } = await sample();
  const timers = await dumped(world, path, "--state", "_timer_state/processing_user-timers");
  ok(timers.length > 10);
  for (const line of timers) deepEqual(Object.keys(JSON.parse(line)), ["key", "timestampMs"]);
  const times = timers.map((line) => JSON.parse(line)).filter(({ key }) => key === "k0").map((one) => one.timestampMs);
  const own = await dumped(world, path, "--state", "_timer_state/processing_user-timers", "--key", "k0");
  deepEqual(own.map((line) => JSON.parse(line).timestampMs), times);
  deepEqual(times, [...times].sort());
  const { fileSystem } = world;
  const lists = await weir(["dump", path, "-o", "numbers", "-s", "splits"], { fileSystem });
  equal(lists.out, '{"subtask":0,"index":0,"value":{"split":"all","position":60}}\n');
  const user = await weir(["dump", path, "-o", "buffer", "-s", "last"], { fileSystem });
  equal(user.out, '{"subtask":0,"index":0,"value":59}\n');
  const refused = await weir(["dump", path, "-o", "buffer", "-s", "last", "-k", "1"], { fileSystem });
  deepEqual([refused.code, refused.out], [2, ""]);
});

test("weir dump --namespace gives nothing of other namespaces", async () => {
  const { world, path } = await sample();
  deepEqual(await dumped(world, path, "-s", "total", "--namespace", '"window"'), []);
});

test("weir dump says which operators and states there are when it is not clear which is meant", async () => {
  const { world, path } = await sample();
  const { fileSystem } = world;
  const cases: [string[], RegExp][] = [
    [[], /Cannot choose a state of "everything": 8 are keyed, --state must name one of\n {2}_timer_state/],
    [["-s", "nothing"], /there is no "nothing" of\n/],
    [["-o", "nobody"], /Cannot choose an operator: there is no operator "nobody" of\n(?: {2}\w+ \(\w{32}\)\n)+/],
    [["-k", "null"], /Cannot choose a state/],
    [["-s", "total", "-k", "null"], /Cannot use --key null: Cannot use null as a key/],
  ];
  for (const [flags, pattern] of cases) {
    const { code, out, err } = await weir(["dump", path, ...flags], { fileSystem });
    deepEqual([code, out], [2, ""]);
    match(err, pattern);
  }
});

test("weir inspect for people: the snapshot, its operators, their states and lists", async () => {
  const { world, path } = await sample();
  const { out } = await weir(["inspect", path], { fileSystem: world.fileSystem });
  match(out, /^\/checkpoints\/[0-9a-f]{32}\/chk-\d+\n {2}checkpoint \d+ of "test" \(job [0-9a-f]{32}\)\n {2}taken at /);
  match(out, /\neverything \([0-9a-f]{32}\), parallelism 1 of at most 16, \d+ runs? of [0-9.]+ kb\n {2}STATE +KIND/);
  match(out, /\n {2}point +value +point 3 +13 +13 +\d+ bytes\n/);
  match(out, /\n {2}_timer_state\/processing_user-timers +timers +- +- +\d+/);
  match(out, /\n {2}state:last +split +auto 1 +1 +2 bytes\n/);
  const quick = (await weir(["inspect", `${path}/_metadata`, "--quick"], { fileSystem: world.fileSystem })).out;
  match(quick, /\n {2}point +value +point 3 +- +- +-\n/);
});

test("damaged, missing and foreign files end with a message, exit code 1 and no stack", async () => {
  const { world, path } = await sample();
  const metadata = `${path}/_metadata`;
  const intact = world.fileSystem.content(metadata);
  const shared = world.fileSystem.files("/checkpoints").filter((file) => /\/shared\/|\/chk-\d+\/(?!_)/.test(file));
  const failing = async (argv: string[]): Promise<CliEnd> => {
    const end = await weir(argv, { fileSystem: world.fileSystem });
    equal(end.code, 1, end.err);
    equal(end.out, "");
    ok(!/^\s+at /m.test(end.err), end.err);
    return end;
  };
  const pattern = /^Cannot restore "[^"]+"(?: at byte \d+)?: .*; restore from an older checkpoint or savepoint\n$/;
  for (let offset = 0; offset < intact.length; offset += 37) {
    world.fileSystem.flipBit(metadata, offset);
    match((await failing(["inspect", path])).err, pattern);
    world.fileSystem.flipBit(metadata, offset);
  }
  world.fileSystem.truncate(metadata, 20);
  match((await failing(["inspect", path])).err, pattern);
  world.fileSystem.put(metadata, intact);
  ok(shared.length > 0);
  let noticed = 0;
  for (const file of shared) {
    const before = world.fileSystem.content(file);
    for (const offset of [0, 20, before.length - 3]) {
      world.fileSystem.flipBit(file, offset);
      if (await inspectOrFail(world, path, failing)) noticed++;
      world.fileSystem.flipBit(file, offset);
    }
  }
  ok(noticed > 0 && noticed % 3 === 0, String(noticed));
  for (const file of shared) await world.fileSystem.remove(file);
  match((await failing(["inspect", path])).err, pattern);
  for (const nowhere of ["/nowhere", "/checkpoints", "/checkpoints/x/_metadata"]) {
    match((await failing(["inspect", nowhere])).err, /^Cannot restore from "\/\S+": .*; give the path of a checkpoint/);
  }
});

/** A file of another checkpoint does not matter. @returns Whether the damage was noticed. */
async function inspectOrFail(
  world: TestWorld,
  path: string,
  failing: (argv: string[]) => Promise<CliEnd>,
): Promise<boolean> {
  const { code } = await weir(["inspect", path], { fileSystem: world.fileSystem });
  if (code !== 0) match((await failing(["inspect", path])).err, /^Cannot restore "/);
  return code !== 0;
}

class Index extends KeyedActor<string, number, never> {
  readonly #entries = this.state(mapState<number, string>("entries"));

  override onMessage(n: number): void {
    this.#entries.set(n, `text ${n}`);
  }
}

test("a large state is printed piece by piece", async () => {
  const world = new TestWorld();
  const numbers = Array.from({ length: 5_000 }, (_, n) => n);
  const outcome = await world.run((env) => {
    env.fromSource("numbers", fromIterable(numbers)).keyBy(() => "all").actor("index", () => new Index())
      .sinkTo("out", collectSink());
  });
  ok(outcome.kind === "ended");
  const [metadata] = world.fileSystem.files("/checkpoints").filter((file) => file.endsWith("/_metadata"));
  const { code, out, largestPiece } = await weir(["dump", metadata!], { fileSystem: world.fileSystem });
  const lines = numbers.map((n) => `${JSON.stringify({ key: "all", mapKey: n, value: `text ${n}` })}\n`);
  deepEqual([code, out], [0, lines.join("")]);
  ok(out.length > 200_000 && largestPiece < 40_000, String(largestPiece));
});
