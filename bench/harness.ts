/**
 * Measures a subject against a baseline in one run, turn by turn, so that both meet the same machine.
 *
 * Called by: bench/main.ts, tests/bench_smoke_test.ts; every bench file calls `bench` to register.
 * Calls: nothing of the project.
 *
 * Invariants:
 * - subject and baseline get the same parameters and the same random numbers in every round;
 * - a round in which their checksums differ fails the bench: it would compare two different works.
 *
 * @module
 */
import process from "node:process";

/** Uniform in [0, 1); the same sequence for the same seed. */
export type SeededRandom = () => number;

/** What one run has done. */
export interface Run {
  /** Operations, > 0. */
  readonly ops: number;
  /** Depends on every operation's result: keeps the optimizer honest, and is compared with the baseline's. */
  readonly checksum?: number | string;
  /** Time of the measured part, milliseconds; without it the whole run counts. */
  readonly elapsedMs?: number;
  /** More results, units in the name; the median over the rounds is printed. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** A bench: a subject, two sizes, and mostly a baseline. */
export interface BenchOptions<P> {
  /** Small enough to run inside the tests. */
  readonly smoke: P;
  /** What `deno task bench` measures. */
  readonly full: P;
  /** Measured rounds in full size; default 5. */
  readonly rounds?: number;
  /** What the baseline is, in a few words. */
  readonly against?: string;
  /** Does the work that is measured. */
  run(params: P, random: SeededRandom): Run | Promise<Run>;
  /** Does the same work in the plainest way. */
  baseline?(params: P, random: SeededRandom): Run | Promise<Run>;
}

/** A registered bench. */
export interface Bench {
  /** `subject/operation/backend/distribution`; never renamed, so that results stay comparable. */
  readonly name: string;
  /** Runs it: in smoke size once, in full size after a warm-up, `rounds` times, medians. */
  measure(size: "smoke" | "full"): Promise<Result>;
}

/** What a bench has found; medians over the rounds. */
export interface Result {
  readonly name: string;
  readonly size: "smoke" | "full";
  readonly ops: number;
  readonly opsPerSecond: number;
  readonly baseline?: string;
  readonly baselineOpsPerSecond?: number;
  /** `opsPerSecond / baselineOpsPerSecond`: 1 is as fast as the baseline, 2 twice as fast. */
  readonly ratio?: number;
  /** Processor time of one run of the subject, all threads. */
  readonly cpuSeconds: number;
  readonly figures?: Readonly<Record<string, number>>;
}

interface Sample {
  readonly run: Run;
  readonly opsPerSecond: number;
  readonly cpuSeconds: number;
}

const SEED = 0x5eed;
const registered = new Map<string, Bench>();

/** All benches registered so far, by name. */
export function registeredBenches(): Bench[] {
  return [...registered.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Registers a bench.
 *
 * @throws {RangeError} If the name is taken, or not two to four lower-case words between slashes.
 */
export function bench<P>(name: string, options: BenchOptions<P>): void {
  if (!/^[a-z0-9_]+(?:\/[a-z0-9_]+){1,3}$/.test(name)) {
    throw new RangeError(`Cannot register bench "${name}": the name must read subject/operation/backend/distribution`);
  }
  if (registered.has(name)) throw new RangeError(`Cannot register bench "${name}": the name is taken; choose another`);
  registered.set(name, { name, measure: (size) => measure(name, options, size) });
}

/** Runs a bench without registering it. */
export async function measure<P>(name: string, options: BenchOptions<P>, size: "smoke" | "full"): Promise<Result> {
  const subjects: Sample[] = [];
  const baselines: Sample[] = [];
  const turns = [
    async (params: P) => subjects.push(await sample((random) => options.run(params, random))),
    async (params: P) => {
      if (options.baseline !== undefined) baselines.push(await sample((random) => options.baseline!(params, random)));
    },
  ];
  const round = async (params: P) => {
    for (const turn of turns) await turn(params);
    turns.reverse(); // Who goes first leaves its garbage to the other: take turns at that too.
    requireSameWork(name, subjects.at(-1), baselines.at(-1));
  };
  if (size === "full") {
    await round(options.smoke); // Warm-up.
    subjects.length = baselines.length = 0;
  }
  const rounds = size === "smoke" ? 1 : options.rounds ?? 5;
  for (let i = 0; i < rounds; i++) await round(options[size]);
  return summarize(name, size, subjects, baselines, options.against ?? "baseline");
}

async function sample(run: (random: SeededRandom) => Run | Promise<Run>): Promise<Sample> {
  const random = seededRandom(SEED);
  const cpuStart = process.cpuUsage();
  const start = performance.now();
  const result = await run(random);
  const elapsedMs = result.elapsedMs ?? performance.now() - start;
  const cpu = process.cpuUsage(cpuStart);
  return { run: result, opsPerSecond: result.ops / (elapsedMs / 1000), cpuSeconds: (cpu.user + cpu.system) / 1e6 };
}

function requireSameWork(name: string, subject: Sample | undefined, baseline: Sample | undefined): void {
  const mine = subject?.run.checksum;
  const theirs = baseline?.run.checksum;
  if (mine === undefined || theirs === undefined || mine === theirs) return;
  throw new Error(
    `Cannot compare bench "${name}" with its baseline: checksums are ${mine} and ${theirs}, they must be equal; ` +
      `make both do the same work`,
  );
}

function summarize(
  name: string,
  size: "smoke" | "full",
  subjects: readonly Sample[],
  baselines: readonly Sample[],
  against: string,
): Result {
  const opsPerSecond = median(subjects.map((one) => one.opsPerSecond));
  const baselineOpsPerSecond = median(baselines.map((one) => one.opsPerSecond));
  const figures = Object.keys(subjects[0]?.run.figures ?? {}).map((figure): [string, number] => [
    figure,
    median(subjects.map(({ run }) => run.figures?.[figure] ?? Number.NaN)),
  ]);
  return {
    name,
    size,
    ops: subjects[0]?.run.ops ?? 0,
    opsPerSecond: rounded(opsPerSecond),
    ...(baselines.length > 0 && {
      baseline: against,
      baselineOpsPerSecond: rounded(baselineOpsPerSecond),
      ratio: Number((opsPerSecond / baselineOpsPerSecond).toFixed(3)),
    }),
    cpuSeconds: Number(median(subjects.map((one) => one.cpuSeconds)).toFixed(3)),
    ...(figures.length > 0 && { figures: Object.fromEntries(figures) }),
  };
}

/** Whole numbers, unless they would say too little. */
function rounded(value: number): number {
  return value < 100 ? Number(value.toPrecision(3)) : Math.round(value);
}

/** The middle value; the mean of the two in the middle of an even number; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return (low + high) / 2;
}

/**
 * A small, fast generator with 32 bits of state.
 *
 * Source: mulberry32, Tommy Ettinger (public domain).
 */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
