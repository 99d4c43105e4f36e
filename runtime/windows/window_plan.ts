/**
 * Everything that a user has said about the windows of one operator.
 *
 * Called by: runtime/windowed_stream.ts (makes it), the operators in this folder.
 * Calls: nothing.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { StateDeclarations } from "../process_function.ts";
import type { OutputTag } from "../side_output.ts";
import type { Evictor } from "./evictor.ts";
import type { Folding } from "./folding.ts";
import type { Trigger } from "./trigger.ts";
import type { Window } from "./window.ts";
import type { WindowAssigner } from "./window_assigner.ts";
import type { WindowContext, WindowFunction, WindowProcessFunction } from "./window_function.ts";

/** Any process function of windows. */
export type AnyProcess<C, O> = WindowProcessFunction<C, O, Key, Window, StateDeclarations, StateDeclarations>;

/** What a function of {@link AnyProcess} is given. */
export type AnyWindowContext<O> = WindowContext<Key, Window, O, StateDeclarations, StateDeclarations>;

/** What becomes of the contents of a window that fires: they are the result, or a function makes it, or emits. */
export type WindowStep<C, O> =
  | { readonly kind: "contents" }
  | { readonly kind: "function"; readonly apply: WindowFunction<C, O> }
  | { readonly kind: "process"; readonly process: AnyProcess<C, O> };

/** `I` an element, `A` what is kept, `C` what the step is given, `O` the result. */
export interface WindowPlan<I, A, C, O> {
  readonly assigner: WindowAssigner<I, Window>;
  /** Null: the assigner's default. */
  readonly trigger: Trigger<I, Window, StateDeclarations> | null;
  readonly evictor: Evictor<I, Window> | null;
  /** How long after its end a window of event time still takes elements, ≥ 0. */
  readonly latenessMs: number;
  /** Where elements go that are too late for every window; null: they are counted and left out. */
  readonly lateTag: OutputTag<I> | null;
  readonly folding: Folding<I, A, C>;
  readonly step: WindowStep<C, O>;
}
