/**
 * Sink that keeps records in an array, for tests.
 *
 * Called by: tests of pipelines.
 * Calls: core/ only.
 *
 * @module
 */
import type { Sink, SinkContext, SinkStart, SinkWriter } from "../core/sink.ts";

/** Records of one transaction that waits for its checkpoint. */
export interface Collected<T> {
  /** Unique for ever: the same transaction may be committed again. */
  readonly id: string;
  /** Its records, in order. */
  readonly values: readonly T[];
}

/** A sink whose output can be looked at. */
export interface CollectSink<T> extends Sink<T, Collected<T>> {
  /** What was committed, in order of commits. */
  readonly values: readonly T[];
}

/** What one commit has added. */
interface Commit<T> {
  readonly checkpointId: number;
  readonly subtask: number;
  readonly transaction: Collected<T>;
}

class Collector<T> implements CollectSink<T> {
  readonly guarantee = "exactly-once";
  readonly #commits: Commit<T>[] = [];

  get values(): readonly T[] {
    return this.#commits.flatMap(({ transaction }) => transaction.values);
  }

  open(context: SinkContext): SinkWriter<T, Collected<T>> {
    return new CollectWriter(context, this.#commits);
  }
}

class CollectWriter<T> implements SinkWriter<T, Collected<T>> {
  readonly #context: SinkContext;
  readonly #commits: Commit<T>[];
  #open: T[] = [];

  constructor(context: SinkContext, commits: Commit<T>[]) {
    this.#context = context;
    this.#commits = commits;
  }

  recover(start: SinkStart): void {
    const keptUpTo = start.kind === "restore" ? start.checkpointId : -1;
    const { subtaskIndex, parallelism } = this.#context;
    const kept = this.#commits.filter(({ checkpointId, subtask }) =>
      checkpointId <= keptUpTo || subtask % parallelism !== subtaskIndex
    );
    this.#commits.splice(0, this.#commits.length, ...kept);
  }

  write(value: T): void {
    this.#open.push(value);
  }

  prepareCommit(): () => Promise<Collected<T> | undefined> {
    const values = this.#open;
    this.#open = [];
    const transaction = values.length === 0 ? undefined : { id: this.#context.random.id(), values };
    return () => Promise.resolve(transaction);
  }

  commit(transaction: Collected<T>, checkpointId: number): void {
    if (this.#commits.some((commit) => commit.transaction.id === transaction.id)) return;
    this.#commits.push({ checkpointId, subtask: this.#context.subtaskIndex, transaction });
  }

  close(): void {}
}

/**
 * Keeps what is committed in `values`, exactly once within this process. For tests: it never gives anything up.
 *
 * @example
 * ```ts
 * import { collectSink } from "./collect_sink.ts";
 *
 * const out = collectSink<number>();
 * // … stream.sinkTo("out", out); await env.execute("test");
 * if (out.values.length !== 0) throw new Error("nothing was committed");
 * ```
 */
export function collectSink<T>(): CollectSink<T> {
  return new Collector();
}
