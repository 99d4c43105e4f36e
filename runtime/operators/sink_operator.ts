/**
 * Drives a sink's two-phase commit: transactions are prepared at barriers,
 * kept in the checkpoint, and committed once it is durable.
 *
 * Called by: the operator upstream (records), runtime/subtask.ts (barriers, completion).
 * Calls: the sink's writer.
 *
 * Invariants:
 * - every checkpoint holds all transactions that are prepared and not known to be committed;
 * - a transaction that cannot be prepared fails its checkpoint and is prepared
 *   again with the next one: no checkpoint lacks records of before its barrier.
 *
 * @module
 */
import type { Barrier } from "../../core/element.ts";
import type { Sink, SinkWriter } from "../../core/sink.ts";
import type { OperatorList } from "../../core/snapshot.ts";
import { OperatorError } from "../operator_error.ts";
import { Operator, type OperatorContext, type OperatorSnapshotParts } from "../operator.ts";
import { listOf, valuesOf } from "../operator_lists.ts";

/** A transaction that is prepared and may not be committed yet. */
interface PendingTransaction {
  readonly checkpointId: number;
  readonly committable: unknown;
}

/** A transaction that has ended and is not prepared yet. */
interface EndedTransaction {
  readonly checkpointId: number;
  prepare(): Promise<unknown>;
}

/** Tail of a chain that ends in a sink. */
export class SinkOperator<T> extends Operator<T, never> {
  private writer: SinkWriter<T> | null = null;
  #isClosed = false;
  #ended: EndedTransaction[] = [];
  #pending: PendingTransaction[] = [];
  /** Prepares and commits happen one after another. */
  #work: Promise<void> = Promise.resolve();

  constructor(context: OperatorContext, private readonly sink: Sink<T>) {
    super(context);
  }

  override async open(): Promise<void> {
    const { context } = this;
    const writer = await this.sink.open({
      name: context.operatorName,
      subtaskIndex: context.subtaskIndex,
      parallelism: context.parallelism,
      clock: context.clock,
      random: context.random,
      fileSystem: context.fileSystem,
      metrics: context.metrics,
      fail: (cause) => context.task.fail(this.failureOutsideRecords(cause)),
    });
    // A job that was cancelled meanwhile has closed this operator without its writer.
    if (this.#isClosed) return await writer.close();
    this.writer = writer;
    await writer.recover(context.start);
    if (this.#isClosed) return;
    // What a checkpoint holds under this name was written by `#lists` below.
    this.#pending = valuesOf(context.restore?.lists["transactions"]) as PendingTransaction[];
    this.#pending.sort((a, b) => a.checkpointId - b.checkpointId);
    await this.#commitUpTo(Number.POSITIVE_INFINITY);
  }

  collect(value: T, timestampMs: number): void {
    this.recordsIn.count++;
    try {
      const result: unknown = this.writer!.write(value, timestampMs);
      if (result !== undefined) this.checkSynchronous(result, "the sink's write()");
    } catch (cause) {
      throw this.failure(cause, value);
    }
  }

  /** While the writer's buffer is full. */
  override readonly backpressure = (): Promise<void> | undefined => this.writer?.backpressure?.();

  override snapshot(barrier: Barrier): OperatorSnapshotParts {
    const { checkpointId } = barrier;
    this.#ended.push({ checkpointId, prepare: this.writer!.prepareCommit(checkpointId) });
    const prepared = this.#enqueue(() => this.#prepareUpTo(checkpointId));
    // Nobody looks at it when the snapshot has failed before; the transaction is tried again then, too.
    prepared.catch(() => {});
    return { keyed: null, lists: () => prepared.then(() => this.#lists(checkpointId)) };
  }

  async #prepareUpTo(checkpointId: number): Promise<void> {
    while (this.#ended.length > 0 && this.#ended[0]!.checkpointId <= checkpointId) {
      const transaction = this.#ended[0]!;
      let committable: unknown;
      try {
        committable = await transaction.prepare();
      } catch (cause) {
        throw OperatorError.of(this.name, this.context.subtaskIndex, cause);
      }
      if (committable !== undefined) this.#pending.push({ checkpointId: transaction.checkpointId, committable });
      this.#ended.shift();
    }
  }

  #lists(checkpointId: number): Readonly<Record<string, OperatorList>> {
    const covered = this.#pending.filter((transaction) => transaction.checkpointId <= checkpointId);
    return { transactions: listOf("split", covered) };
  }

  override checkpointCompleted(checkpointId: number): Promise<void> {
    return this.#enqueue(() => this.#commitUpTo(checkpointId));
  }

  /**
   * The end of a job without checkpoints: everything becomes visible at once, also what savepoints have ended.
   *
   * @param checkpointId Above those of all savepoints.
   */
  async commitAtEnd(checkpointId: number): Promise<void> {
    try {
      this.#ended.push({ checkpointId, prepare: this.writer!.prepareCommit(checkpointId) });
      await this.#enqueue(() => this.#prepareUpTo(checkpointId));
      await this.#enqueue(() => this.#commitUpTo(checkpointId));
    } catch (cause) {
      throw this.failureOutsideRecords(cause);
    }
  }

  async #commitUpTo(checkpointId: number): Promise<void> {
    while (this.writer !== null && this.#pending.length > 0 && this.#pending[0]!.checkpointId <= checkpointId) {
      const transaction = this.#pending[0]!;
      await this.writer.commit(transaction.committable, transaction.checkpointId);
      this.#pending.shift();
    }
  }

  #enqueue(step: () => Promise<void>): Promise<void> {
    const result = this.#work.then(step);
    // A failed step is reported by its own promise; the next step must not inherit it.
    this.#work = result.catch(() => {});
    return result;
  }

  override async close(): Promise<void> {
    this.#isClosed = true;
    const writer = this.writer;
    this.writer = null;
    await writer?.close();
  }
}
