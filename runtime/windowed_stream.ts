/**
 * The fluent API of windows: what `window(…)` and `windowAll(…)` return.
 *
 * Called by: users, through runtime/stream.ts and runtime/keyed_stream.ts.
 * Calls: runtime/windows/.
 *
 * @module
 */
import type { AggregateFunction, StateOptions } from "../core/descriptors.ts";
import { StreamError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Operator, OperatorContext } from "./operator.ts";
import type { StateDeclarations } from "./process_function.ts";
import type { OutputTag } from "./side_output.ts";
import type { DataStream } from "./stream.ts";
import { type Duration, durationMs } from "./windows/duration.ts";
import { countEvictor, type Evictor } from "./windows/evictor.ts";
import { aggregateFolding, elementsFolding, type Folding, reduceFolding } from "./windows/folding.ts";
import { makeWindowOperator } from "./windows/make_window_operator.ts";
import type { NoState, Trigger } from "./windows/trigger.ts";
import { countTrigger, purgingTrigger } from "./windows/triggers.ts";
import type { GlobalWindow, Window } from "./windows/window.ts";
import type { WindowAssigner } from "./windows/window_assigner.ts";
import type { WindowFunction, WindowProcessFunction } from "./windows/window_function.ts";
import type { AnyProcess, WindowPlan, WindowStep } from "./windows/window_plan.ts";

/** Adds an operator to the pipeline. */
export type AddWindows<T> = <O>(name: string, make: (context: OperatorContext) => Operator<T, O>) => DataStream<O>;

/** What has been said about the windows so far. */
type WindowSettings<T> = Pick<
  WindowPlan<T, unknown, unknown, unknown>,
  "assigner" | "trigger" | "evictor" | "latenessMs" | "lateTag"
>;

/**
 * A stream in windows. Immutable: each method returns another. One of `reduce`, `aggregate`, `apply` and `process` ends it.
 *
 * @example
 * ```ts
 * import { collectSink, fromIterable, StreamEnvironment, watermarks } from "../mod.ts";
 * import { tumbling } from "../windows.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<string>();
 * const bids = [{ item: "a", price: 3, atMs: 0 }, { item: "a", price: 5, atMs: 900 }, { item: "a", price: 4, atMs: 1_100 }];
 * env.fromSource("bids", fromIterable(bids), watermarks((bid) => bid.atMs))
 *   .keyBy((bid) => bid.item)
 *   .window(tumbling("1 s"))
 *   .reduce("highest", (left, right) => left.price >= right.price ? left : right, (bid, { window }) =>
 *     `${bid.item} ${bid.price} until ${window.endMs}`)
 *   .sinkTo("out", out);
 * await (await env.executeAsync("highest bids")).result;
 * if (out.values.join() !== "a 5 until 1000,a 4 until 2000") throw new Error(out.values.join());
 * ```
 */
export class WindowedStream<K extends Key, T, W extends Window> {
  /** Not for users: comes from `window(…)` and `windowAll(…)`. */
  constructor(
    private readonly addTo: AddWindows<T>,
    private readonly keyOf: (value: T) => Key,
    private readonly settings: WindowSettings<T>,
  ) {}

  #with(change: Partial<WindowSettings<T>>): WindowedStream<K, T, W> {
    return new WindowedStream(this.addTo, this.keyOf, { ...this.settings, ...change });
  }

  /**
   * Sets when windows fire, instead of the assigner's default.
   *
   * @throws {StreamError} If windows merge and the trigger cannot.
   */
  trigger<S extends StateDeclarations = NoState>(trigger: Trigger<T, W, S>): WindowedStream<K, T, W> {
    if (this.settings.assigner.merge !== undefined && trigger.onMerge === undefined) {
      throw new StreamError(
        "invalid",
        `Cannot use this trigger with windows that merge: it has no onMerge(); add it, or choose another trigger`,
      );
    }
    // It is given windows of this assigner, and handles of the states that it declares.
    return this.#with({ trigger: trigger as unknown as Trigger<T, Window, StateDeclarations> });
  }

  /** Sets what is taken out of windows that fire. They keep all elements until then. */
  evictor(evictor: Evictor<T, W>): WindowedStream<K, T, W> {
    return this.#with({ evictor: evictor as Evictor<T, Window> }); // it is given windows of this assigner
  }

  /**
   * Keeps windows of event time after their end: what comes by then fires them again.
   *
   * @param time "1 min", or milliseconds, ≥ 0. Default 0.
   * @throws {RangeError} If it is no such time.
   */
  allowedLateness(time: Duration): WindowedStream<K, T, W> {
    return this.#with({ latenessMs: durationMs(time, "the lateness of windows", 0) });
  }

  /**
   * Sends what comes too late for every window to a side output, with its timestamp; otherwise it is counted
   * (`numLateRecordsDropped`) and left out.
   */
  sideOutputLateData(tag: OutputTag<T>): WindowedStream<K, T, W> {
    return this.#with({ lateTag: tag });
  }

  /**
   * Folds the elements of each window into one.
   *
   * @param name Identifies the windows across restarts; unique in the pipeline.
   * @param reduce Associative and synchronous; must not change its arguments but return a new value.
   */
  reduce(name: string, reduce: (left: T, right: T) => T): DataStream<T>;
  /** As the first overload. @param step Makes the result of the window from the fold, or emits any number. */
  reduce<O, S extends StateDeclarations = NoState, G extends StateDeclarations = NoState>(
    name: string,
    reduce: (left: T, right: T) => T,
    step: WindowFunction<T, O, K, W> | WindowProcessFunction<T, O, K, W, S, G>,
    options?: StateOptions<T>,
  ): DataStream<O>;
  reduce(name: string, reduce: (left: T, right: T) => T, step?: unknown, options: StateOptions<T> = {}): unknown {
    return this.#add(name, reduceFolding(reduce, options), stepOf(step));
  }

  /**
   * Folds the elements of each window into an accumulator, and emits its result.
   *
   * @param name As in `reduce`.
   */
  aggregate<A, R>(name: string, aggregate: AggregateFunction<T, A, R>): DataStream<R>;
  /** As the first overload. @param step Makes the result of the window from that of the fold, or emits any number. */
  aggregate<A, R, O, S extends StateDeclarations = NoState, G extends StateDeclarations = NoState>(
    name: string,
    aggregate: AggregateFunction<T, A, R>,
    step: WindowFunction<R, O, K, W> | WindowProcessFunction<R, O, K, W, S, G>,
    options?: StateOptions<A>,
  ): DataStream<O>;
  aggregate<A, R>(
    name: string,
    aggregate: AggregateFunction<T, A, R>,
    step?: unknown,
    options: StateOptions<A> = {},
  ): unknown {
    return this.#add(name, aggregateFolding(aggregate, options), stepOf(step));
  }

  /**
   * Gives all elements of a window to a function that makes one result. Windows keep their elements until they go: prefer
   * `reduce` or `aggregate` where they do.
   *
   * @param name As in `reduce`.
   * @param apply Synchronous.
   */
  apply<O>(name: string, apply: WindowFunction<T[], O, K, W>): DataStream<O> {
    return this.#add(name, elementsFolding<T>(), stepOf(apply)) as DataStream<O>; // what the function returns
  }

  /**
   * As `apply`, for a function that emits any number of results, has side outputs or keeps state.
   *
   * @param name As in `reduce`.
   */
  process<O = never, S extends StateDeclarations = NoState, G extends StateDeclarations = NoState>(
    name: string,
    step: WindowProcessFunction<T[], O, K, W, S, G>,
  ): DataStream<O> {
    return this.#add(name, elementsFolding<T>(), stepOf(step)) as DataStream<O>; // what the function emits
  }

  #add<A, C>(name: string, folding: Folding<T, A, C>, step: WindowStep<unknown, unknown>): DataStream<unknown> {
    const { assigner } = this.settings;
    if (assigner.merge !== undefined && step.kind === "process" && step.process.state !== undefined) {
      throw new StreamError(
        "invalid",
        `Cannot keep state per window in "${name}": its windows merge, and nobody knows how such state would; ` +
          `use globalState, which belongs to the key`,
      );
    }
    // The step is given what the folding makes: the overloads say so.
    const plan: WindowPlan<T, A, C, unknown> = { ...this.settings, folding, step: step as WindowStep<C, unknown> };
    return this.addTo(name, (context) => makeWindowOperator(context, this.keyOf, plan));
  }
}

/** @param step What the overloads let through: a function, a process function, or nothing. */
function stepOf(step: unknown): WindowStep<unknown, unknown> {
  if (step === undefined) return { kind: "contents" };
  // No process function is callable.
  if (typeof step === "function") return { kind: "function", apply: step as WindowFunction<unknown, unknown> };
  return { kind: "process", process: step as AnyProcess<unknown, unknown> }; // all that is left
}

/**
 * Windows of `size` values, or of the last `size` ones for every `slide`-th.
 *
 * @throws {RangeError} If a number is no integer ≥ 1.
 */
export function countWindows<K extends Key, T>(
  windows: WindowedStream<K, T, GlobalWindow>,
  size: number,
  slide: number | undefined,
): WindowedStream<K, T, GlobalWindow> {
  const full = countTrigger(size);
  if (slide === undefined) return windows.trigger(purgingTrigger(full));
  return windows.evictor(countEvictor(size)).trigger(countTrigger(slide));
}

/** Begins the description of windows. */
export function windowedStream<K extends Key, T, W extends Window>(
  addTo: AddWindows<T>,
  keyOf: (value: T) => Key,
  assigner: WindowAssigner<T, W>,
): WindowedStream<K, T, W> {
  return new WindowedStream(addTo, keyOf, {
    // Its windows are all that functions, triggers and evictors are given.
    assigner: assigner as WindowAssigner<T, Window>,
    trigger: null,
    evictor: null,
    latenessMs: 0,
    lateTag: null,
  });
}
