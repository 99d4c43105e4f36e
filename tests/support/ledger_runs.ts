/**
 * The ledger pipeline, run by several processes one after another on what the former has left.
 *
 * Called by: tests of failures, restores and rescaling.
 * Calls: tests/support/ledger_pipeline.ts, tests/support/job_harness.ts.
 */
import { deepEqual, equal } from "node:assert/strict";
import { type CollectSink, collectSink } from "../../mod.ts";
import { type Outcome, type ProcessOptions, TestWorld, type WorldConfig } from "./job_harness.ts";
import { ledger, type LedgerOptions, oracle, pagesIn } from "./ledger_pipeline.ts";

/** Records of its input. */
export const COUNT = 300;

/** One pipeline that several processes run one after another. */
export class LedgerRuns {
  readonly world: TestWorld;
  readonly seen: CollectSink<number> = collectSink<number>();
  readonly #options: LedgerOptions;

  constructor(config: WorldConfig = {}, options: Partial<LedgerOptions> = {}) {
    this.world = new TestWorld(config);
    this.#options = { count: COUNT, seen: this.seen, ...options };
  }

  async start(options: ProcessOptions = {}) {
    return await this.world.start((env) => ledger(env, this.#options), options);
  }

  async run(options: ProcessOptions = {}): Promise<Outcome> {
    const process = await this.start(options);
    const outcome = await process.end();
    // What was given up at the end closes its files when their operations return.
    if (outcome.kind !== "killed") await process.forMs(50);
    return outcome;
  }

  check(context: string): void {
    const { pages, seen } = oracle(COUNT);
    deepEqual(pagesIn(this.world.fileSystem), pages, context);
    deepEqual([...this.seen.values].sort((a, b) => a - b), seen, context);
    equal(this.world.fileSystem.openCount, 0, context);
  }
}

/** Options of a process. */
export function parallel(parallelism: number): NonNullable<ProcessOptions["config"]> {
  return { "parallelism.default": parallelism };
}
