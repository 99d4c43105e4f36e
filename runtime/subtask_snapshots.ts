/**
 * Takes the snapshots of one subtask: the synchronous part at the barrier, the
 * asynchronous part beside the records, and what completion and abortion mean for both.
 *
 * Called by: runtime/subtask.ts.
 * Calls: operators, the snapshot store of the checkpoint.
 *
 * Invariants:
 * - the barrier goes downstream in the same step as the synchronous part;
 * - a checkpoint whose barrier was aborted before it came never gets here: the
 *   gate's barrier handler remembers it.
 *
 * @module
 */
import type { PendingSnapshot } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import type { Barrier } from "../core/element.ts";
import type {
  KeyedStateHandle,
  OperatorSnapshot,
  SnapshotFigures,
  SnapshotStore,
  SubtaskSnapshot,
} from "../core/snapshot.ts";
import type { OperatorSnapshotParts } from "./operator.ts";
import { OperatorError } from "./operator_error.ts";
import type { Subtask } from "./subtask.ts";

/** How a barrier came to be complete at a subtask. */
export interface BarrierArrival {
  readonly barrier: Barrier;
  /** First to last barrier, milliseconds; 0 with one input. */
  readonly alignmentMs: number;
  /** Barrier creation to first arrival, milliseconds. */
  readonly startDelayMs: number;
}

/** Where snapshots go. */
export interface SubtaskSnapshotsPort {
  store(checkpointId: number): SnapshotStore;
  acknowledge(checkpointId: number, snapshot: SubtaskSnapshot, figures: SnapshotFigures): void;
  decline(checkpointId: number, error: Error): void;
}

interface RunningSnapshot {
  readonly keyed: readonly PendingSnapshot[];
}

/** The snapshots of one subtask. */
export class SubtaskSnapshots {
  readonly #running = new Map<number, RunningSnapshot>();
  /** Last alignment and start delay, for the metrics. */
  lastArrival: BarrierArrival | null = null;

  constructor(
    private readonly subtask: Subtask,
    private readonly clock: Clock,
    private readonly port: SubtaskSnapshotsPort,
  ) {}

  /** The synchronous part, the barrier downstream, and the start of the asynchronous part. */
  take(arrival: BarrierArrival): void {
    const { barrier } = arrival;
    this.lastArrival = arrival;
    const startMs = this.clock.monotonicMs();
    const parts = new Map<string, OperatorSnapshotParts>();
    for (const operator of this.subtask.operators) {
      try {
        parts.set(operator.id, operator.snapshot(barrier));
      } catch (cause) {
        throw this.#failureOf(operator, cause);
      }
    }
    this.subtask.forward(barrier);
    const syncMs = this.clock.monotonicMs() - startMs;
    const keyed = [...parts.values()].flatMap((part) => part.keyed ?? []);
    this.#running.set(barrier.checkpointId, { keyed });
    this.#write(arrival, parts, syncMs).catch((error) => {
      // Parts that were never written still hold on to their frozen state.
      for (const snapshot of keyed) snapshot.cancel(error);
      this.port.decline(barrier.checkpointId, error instanceof Error ? error : new Error(String(error)));
    }).finally(() => this.#running.delete(barrier.checkpointId));
  }

  async #write(
    arrival: BarrierArrival,
    parts: ReadonlyMap<string, OperatorSnapshotParts>,
    syncMs: number,
  ): Promise<void> {
    const { checkpointId } = arrival.barrier;
    const startMs = this.clock.monotonicMs();
    const store = this.port.store(checkpointId);
    const operators = new Map<string, OperatorSnapshot>();
    let incrementBytes = 0;
    let fullBytes = 0;
    for (const [operatorId, part] of parts) {
      const keyed: KeyedStateHandle | null = part.keyed === null ? null : await part.keyed.write(store);
      const lists = await part.lists();
      let listBytes = 0;
      for (const list of Object.values(lists)) for (const item of list.items) listBytes += item.length;
      incrementBytes += listBytes + (keyed?.incrementBytes ?? 0);
      fullBytes += listBytes + (keyed?.fullBytes ?? 0);
      operators.set(operatorId, { keyed, lists });
    }
    this.port.acknowledge(checkpointId, operators, {
      syncMs,
      asyncMs: this.clock.monotonicMs() - startMs,
      alignmentMs: arrival.alignmentMs,
      startDelayMs: arrival.startDelayMs,
      incrementBytes,
      fullBytes,
    });
  }

  /** The checkpoint will never complete: ends its asynchronous part if that is running. */
  abort(checkpointId: number): void {
    for (const snapshot of this.#running.get(checkpointId)?.keyed ?? []) {
      snapshot.cancel(new Error(`checkpoint ${checkpointId} was aborted`));
    }
    for (const operator of this.subtask.operators) operator.checkpointAborted(checkpointId);
  }

  /** The checkpoint is durable. */
  async complete(checkpointId: number): Promise<void> {
    await Promise.all(this.subtask.operators.map(async (operator) => {
      try {
        await operator.checkpointCompleted(checkpointId);
      } catch (cause) {
        throw this.#failureOf(operator, cause);
      }
    }));
  }

  #failureOf({ name }: { readonly name: string }, cause: unknown): OperatorError {
    return OperatorError.of(name, this.subtask.name.subtaskIndex, cause);
  }

  /** Ends every asynchronous part. */
  cancelAll(reason: Error): void {
    for (const running of this.#running.values()) {
      for (const snapshot of running.keyed) snapshot.cancel(reason);
    }
  }
}
