/**
 * Drives one operator with windows: elements, watermarks, the wall clock, snapshots and restores.
 *
 * Called by: tests of windows.
 * Calls: runtime/windowed_stream.ts.
 */
import type { StateBackend, StateBackendFactory } from "../../../core/backend.ts";
import type { Barrier } from "../../../core/element.ts";
import { heapBackendFactory } from "../../../backends/heap/heap_backend.ts";
import type { Key } from "../../../core/key.ts";
import type { KeyedStateHandle, OperatorList } from "../../../core/snapshot.ts";
import { MetricRegistry } from "../../../runtime/metrics.ts";
import type { Operator, OperatorContext, OperatorRestore } from "../../../runtime/operator.ts";
import type { Output } from "../../../runtime/output.ts";
import type { DataStream } from "../../../runtime/stream.ts";
import { type WindowedStream, windowedStream } from "../../../runtime/windowed_stream.ts";
import type { Window } from "../../../runtime/windows/window.ts";
import type { WindowAssigner } from "../../../runtime/windows/window_assigner.ts";
import type { TimerService } from "../../../timers/timer_service.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { MemoryFileSystem } from "../../support/memory_file_system.ts";
import { MemorySnapshots } from "../../support/memory_snapshot_store.ts";
// Loads at once what an operator loads on demand: the clock of a test does not wait for a module.
import "../../../timers/embedded_timer_queue.ts";

/** An element of most tests. */
export interface Item {
  readonly key: string;
  readonly n: number;
}

/** A result with its timestamp. */
export type Result<O> = readonly [value: O, timestampMs: number];

/** What is in a snapshot. */
export interface WindowSnapshot {
  readonly keyed: KeyedStateHandle | null;
  readonly lists: Readonly<Record<string, OperatorList>>;
  readonly files: MemorySnapshots;
  readonly nowMs: number;
}

/** What a harness is made with. */
export interface HarnessOptions {
  readonly factory?: StateBackendFactory;
  readonly timers?: "heap" | "embedded";
  readonly restore?: WindowSnapshot;
  /** Ids of side outputs that are read. */
  readonly sides?: readonly string[];
}

/** One operator at work. */
export class WindowHarness<I, O> implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly metrics: ReturnType<MetricRegistry["operator"]>;
  readonly #results: Result<O>[] = [];
  readonly #sides = new Map<string, Result<unknown>[]>();
  /** Set by `open`. */
  #operator!: Operator<I, O>;
  #backend!: StateBackend;
  readonly #files = new MemorySnapshots();

  private constructor(
    private readonly make: (context: OperatorContext) => Operator<I, O>,
    private readonly options: HarnessOptions,
  ) {
    this.clock = new ManualClock({ startMs: options.restore?.nowMs ?? 0, tickMs: 0.01 });
    this.metrics = new MetricRegistry("test").operator("op", "op", 0);
  }

  /** Opens the operator that `describe` puts together. */
  static async open<I, O, W extends Window>(
    keyOf: (value: I) => Key,
    assigner: WindowAssigner<I, W>,
    describe: (windows: WindowedStream<string, I, W>) => DataStream<O>,
    options: HarnessOptions = {},
  ): Promise<WindowHarness<I, O>> {
    const made: ((context: OperatorContext) => Operator<I, O>)[] = [];
    const addTo = <R>(_name: string, make: (context: OperatorContext) => Operator<I, R>): DataStream<R> => {
      made.push(make as unknown as (context: OperatorContext) => Operator<I, O>); // `describe` says that R is O
      return null as unknown as DataStream<R>; // nobody looks at the stream
    };
    describe(windowedStream(addTo, keyOf, assigner));
    const [make] = made;
    if (make === undefined) throw new Error("the windows have no end");
    const harness = new WindowHarness<I, O>(make, options);
    await harness.#open();
    return harness;
  }

  /** Another of its kind, which goes on from the snapshot. */
  async restored(restore: WindowSnapshot, options: HarnessOptions = this.options): Promise<WindowHarness<I, O>> {
    const harness = new WindowHarness<I, O>(this.make, { ...options, restore });
    await harness.#open();
    return harness;
  }

  async #open(): Promise<void> {
    const { restore, factory = heapBackendFactory, timers = "heap", sides = [] } = this.options;
    let ids = 0;
    const operator = this.make({
      operatorId: "op",
      operatorName: "op",
      subtaskIndex: 0,
      slotIndex: 0,
      parallelism: 1,
      maxParallelism: 128,
      keyGroups: { start: 0, end: 127 },
      clock: this.clock,
      random: { next: () => 0.5, id: () => `${ids++}`.padStart(32, "0") },
      fileSystem: new MemoryFileSystem(),
      metrics: this.metrics,
      backendFactory: { name: factory.name, create: (context) => this.#backend = factory.create(context) },
      incremental: false,
      timers: { kind: timers, cacheSize: 4 },
      stateLatency: null,
      watermarkIntervalMs: 0,
      isLastKeyed: true,
      task: {
        shouldPause: () => false,
        post: (mail) => mail(),
        postWork: (work) => work(),
        resumeLater: () => {
          throw new Error("nothing is cut short here");
        },
        fail: (error) => {
          throw error;
        },
        wake: () => {},
        interrupt: () => {},
      },
      start: { kind: "fresh" },
      restore: restore === undefined ? null : restoreOf(restore),
      feedback: null,
    });
    this.#operator = operator;
    operator.out = outputTo(this.#results);
    for (const id of sides) this.#sides.set(id, []);
    operator.sides = new Map([...this.#sides].map(([id, results]) => [id, outputTo(results)]));
    await this.clock.runUntil(Promise.resolve(operator.open()));
    operator.start();
  }

  /** An element comes. */
  element(value: I, timestampMs: number): void {
    this.#operator.collect(value, timestampMs);
    this.#operator.flush();
  }

  /** Several elements come, each with its timestamp. */
  elements(...elements: readonly (readonly [value: I, timestampMs: number])[]): void {
    for (const [value, timestampMs] of elements) this.element(value, timestampMs);
  }

  /** Event time goes on. */
  watermark(watermarkMs: number): void {
    this.#operator.watermark(watermarkMs);
  }

  /** The wall clock goes on. */
  advanceTo(nowMs: number): void {
    this.clock.advance(nowMs - this.clock.nowMs());
  }

  /** What has come out since the last call. */
  take(): Result<O>[] {
    return this.#results.splice(0);
  }

  /** What has come out of a side output since the last call. */
  takeSide(id: string): Result<unknown>[] {
    return this.#sides.get(id)!.splice(0);
  }

  /** Entries of state, and pending timers of both clocks. */
  get left(): { readonly entries: number; readonly timers: number } {
    const { timers } = this.#operator as unknown as { timers: TimerService }; // protected, and read here alone
    return {
      entries: this.#backend.entryCount,
      timers: timers.eventTimeTimerCount() + timers.processingTimeTimerCount(),
    };
  }

  /** Elements that were too late. */
  get lateCount(): number {
    return this.metrics.numLateRecordsDropped.count;
  }

  /** Takes a snapshot. */
  async snapshot(): Promise<WindowSnapshot> {
    const barrier: Barrier = { checkpointId: 1, timestampMs: 0, type: "savepoint", full: true, format: "native" };
    const parts = this.#operator.snapshot(barrier);
    const keyed = await this.clock.runUntil(parts.keyed!.write(this.#files));
    return { keyed, lists: await parts.lists(), files: this.#files, nowMs: this.clock.nowMs() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clock.runUntil(Promise.resolve(this.#operator.close()));
  }
}

function restoreOf({ keyed, lists, files }: WindowSnapshot): OperatorRestore {
  return { checkpointId: 1, keyed: keyed === null ? [] : [keyed], lists, reader: files };
}

function outputTo<T>(results: Result<T>[]): Output<T> {
  return {
    collect: (value, timestampMs) => void results.push([value, timestampMs]),
    watermark: () => {},
    idle: () => {},
  };
}
