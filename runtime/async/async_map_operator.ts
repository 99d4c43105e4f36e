/**
 * Maps records by a function that takes its time, with many calls out at once.
 *
 * Called by: the operator upstream, runtime/subtask.ts.
 * Calls: the user's function, through pending_call.ts.
 *
 * Invariants:
 * - a record is in every checkpoint from when it came until its result has gone on: a restore calls for it again;
 * - results go on between two steps of the subtask, never within one;
 * - all input has ended only when the last result has gone on.
 *
 * @module
 */
import type { Barrier } from "../../core/element.ts";
import { Operator, type OperatorContext, type OperatorSnapshotParts } from "../operator.ts";
import { listOf, valuesOf } from "../operator_lists.ts";
import type { AsyncFunction, AsyncSettings } from "./async_settings.ts";
import { type Call, CallsInFlight, type Mark, type ResultTarget } from "./calls_in_flight.ts";
import { PendingCall } from "./pending_call.ts";

/** Records whose results are awaited: `[value, timestampMs]` each, oldest first. */
const IN_FLIGHT = "in-flight";

/** Calls of one subtask. */
export class AsyncMapOperator<I, O> extends Operator<I, O> implements ResultTarget<I, O> {
  readonly #calls: CallsInFlight<I, O>;
  readonly #pending = new Set<PendingCall<I, O>>();
  /** What a snapshot has left to be called for again. */
  #restored: readonly (readonly [I, number])[];
  #isDrainPosted = false;
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null;

  constructor(
    context: OperatorContext,
    private readonly apply: AsyncFunction<I, O>,
    private readonly settings: AsyncSettings<I, O>,
  ) {
    super(context);
    this.#calls = new CallsInFlight(settings.ordered);
    // Only `snapshot` writes this list.
    this.#restored = valuesOf(context.restore?.lists[IN_FLIGHT]) as [I, number][];
    context.metrics.gauge("numCallsInFlight", () => this.#calls.size);
  }

  override readonly backpressure = (): Promise<void> | undefined => {
    if (this.#calls.size < this.settings.capacity) return undefined;
    return (this.#room ??= Promise.withResolvers<void>()).promise;
  };

  override get isWaiting(): boolean {
    return this.#calls.size > 0 || this.#calls.hasSendable;
  }

  override start(): void {
    for (const [value, timestampMs] of this.#restored) this.#begin(value, timestampMs);
    this.#restored = [];
    this.#waitWhenFull();
  }

  collect(value: I, timestampMs: number): void {
    this.recordsIn.count++;
    this.#begin(value, timestampMs);
    this.#waitWhenFull();
  }

  /** An operator is asked for `backpressure` now and then only, but always behind work. */
  #waitWhenFull(): void {
    if (this.#calls.size >= this.settings.capacity) this.#drainLater();
  }

  #begin(value: I, timestampMs: number): void {
    const call = this.#calls.begin(value, timestampMs);
    const pending: PendingCall<I, O> = new PendingCall(value, this.apply, this.settings, this.context.clock, {
      result: (result) => {
        this.#pending.delete(pending);
        this.#calls.end(call, result);
        if (this.#calls.hasSendable) this.#drainLater();
      },
      failure: (error) => {
        this.#pending.delete(pending);
        this.context.task.fail(this.failure(error, value));
      },
    });
    this.#pending.add(pending);
  }

  #drainLater(): void {
    this.#room?.resolve();
    this.#room = null;
    if (this.#isDrainPosted) return;
    this.#isDrainPosted = true;
    this.context.task.postWork(() => {
      this.#isDrainPosted = false;
      this.#calls.drain(this);
    });
  }

  result({ result, timestampMs }: Call<I, O>): void {
    this.out.collect(result as O, timestampMs); // `end` has set it
  }

  mark(mark: Mark): void {
    if (mark.kind === "watermark") this.out.watermark(mark.watermarkMs);
    else this.out.idle(mark.isIdle);
  }

  override watermark(watermarkMs: number): void {
    this.#divide({ kind: "watermark", watermarkMs });
  }

  override idle(isIdle: boolean): void {
    this.#divide({ kind: "idle", isIdle });
  }

  #divide(mark: Mark): void {
    if (this.isWaiting) this.#calls.divide(mark);
    else this.mark(mark);
  }

  override snapshot(_barrier: Barrier): OperatorSnapshotParts {
    const waiting = [
      ...this.#restored,
      ...[...this.#calls.all].map(({ value, timestampMs }) => [value, timestampMs] as const),
    ];
    if (waiting.length === 0) return super.snapshot(_barrier);
    const lists = Promise.resolve({ [IN_FLIGHT]: listOf("split", waiting) });
    return { keyed: null, lists: () => lists };
  }

  override close(): void {
    const reason = new Error(`operator "${this.name}" was closed`);
    for (const pending of this.#pending) pending.cancel(reason);
    this.#pending.clear();
  }
}
