/**
 * What users give to be called when a window fires.
 *
 * Called by: users; runtime/windows/firing.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { MetricGroup } from "../../core/metrics.ts";
import type { Emits, StateDeclarations, StateOf } from "../process_function.ts";
import type { OutputTag } from "../side_output.ts";
import type { NoState } from "./trigger.ts";
import type { Window } from "./window.ts";

/** The window that fires. Valid during the call only. */
export interface WindowView<K extends Key, W extends Window> {
  /** The current key. */
  readonly key: K;
  /** The window; of merged ones, what they have become. */
  readonly window: W;
  /** Event time has come this far; -Infinity before the first watermark. */
  readonly currentWatermark: number;
  /** Metrics of this operator subtask. */
  readonly metrics: MetricGroup;
  /** The wall clock, milliseconds since the epoch. */
  currentProcessingTime(): number;
}

/** Makes the one result of a window; synchronous. */
export type WindowFunction<C, O, K extends Key = Key, W extends Window = Window> = (
  contents: C,
  context: WindowView<K, W>,
) => O;

/** The handles of declared states. */
export type WindowStates<S> = { readonly [N in keyof S]: StateOf<S[N]> };

/** What a process function of windows sees. */
export interface WindowContext<K extends Key, W extends Window, O, S = NoState, G = NoState> extends WindowView<K, W> {
  /** State of the key and window; gone with the window. */
  readonly state: WindowStates<S>;
  /** State of the key, shared by its windows; whoever declares it clears it. */
  readonly globalState: WindowStates<G>;
  /** Sends a result downstream, with the last millisecond of the window as its timestamp. */
  emit(value: O): void;
  /** Sends a value to a side output, with the same timestamp. */
  emitTo<T>(tag: OutputTag<T>, value: T): void;
}

/** Any number of results per window, side outputs, state. Keep the object free of state of its own. */
export interface WindowProcessFunction<
  C,
  O,
  K extends Key = Key,
  W extends Window = Window,
  S extends StateDeclarations = NoState,
  G extends StateDeclarations = NoState,
> {
  /** `emits<O>()`: the type of what it emits. */
  readonly emits?: Emits<O>;
  /** State per key and window, by the name under which `context.state` has it. Not for windows that merge. */
  readonly state?: S;
  /** State per key, by the name under which `context.globalState` has it. */
  readonly globalState?: G;
  /** Called whenever a window fires that holds something; synchronous. */
  process(contents: C, context: WindowContext<K, W, O, S, G>): void;
  /**
   * Called once before a window goes, also when it never fired; synchronous. Its `state` is cleared anyway.
   */
  clear?(context: WindowContext<K, W, O, S, G>): void;
}
