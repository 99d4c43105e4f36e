/**
 * Gives the contents of a window that fires to the user's function, and sends on what it returns or emits.
 *
 * Called by: the operators in this folder.
 * Calls: the user's function.
 *
 * Invariants:
 * - results have the last millisecond of the window as their timestamp.
 *
 * @module
 */
import type { ValueStateDescriptor } from "../../core/descriptors.ts";
import type { Key, Namespace } from "../../core/key.ts";
import type { MetricGroup } from "../../core/metrics.ts";
import type { Namespaced } from "../../core/state.ts";
import type { ActorScope } from "../actor.ts";
import type { StateDeclarations } from "../process_function.ts";
import type { OutputTag } from "../side_output.ts";
import { GLOBAL_WINDOW, namespaceOf, type Window } from "./window.ts";
import type { CheckSynchronous } from "./window_contents.ts";
import type { WindowStates } from "./window_function.ts";
import type { AnyProcess, AnyWindowContext, WindowStep } from "./window_plan.ts";

/** A handle of any kind. */
interface AnyHandle extends Namespaced {
  clear(): void;
}

/** The function of an operator's windows; it is its own context. */
export class Firing<C, O> implements AnyWindowContext<O> {
  window: Window = GLOBAL_WINDOW;
  readonly state: WindowStates<StateDeclarations>;
  readonly globalState: WindowStates<StateDeclarations>;
  /** Whether anything is to be done when a window goes. */
  readonly clears: boolean;
  // Fields, so that a function may take them out of its context.
  readonly currentProcessingTime = (): number => this.scope.timers.currentProcessingTime();
  readonly emit = (value: O): void => this.scope.out.collect(value, this.window.maxTimestampMs);
  readonly emitTo = <T>(tag: OutputTag<T>, value: T): void =>
    this.scope.sideOutput(tag.id).collect(value, this.window.maxTimestampMs);
  private readonly ofWindow: AnyHandle[] = [];
  private readonly process: AnyProcess<C, O> | null;

  /** Declares the states of the function. */
  constructor(
    private readonly scope: ActorScope,
    private readonly step: WindowStep<C, O>,
    private readonly check: CheckSynchronous,
  ) {
    this.process = step.kind === "process" ? step.process : null;
    this.state = openStates(scope, this.process?.state, this.ofWindow);
    this.globalState = openStates(scope, this.process?.globalState, []);
    this.clears = this.ofWindow.length > 0 || this.process?.clear !== undefined;
  }

  get key(): Key {
    return this.scope.backend.currentKey();
  }

  get currentWatermark(): number {
    return this.scope.timers.currentWatermark;
  }

  get metrics(): MetricGroup {
    return this.scope.metrics;
  }

  /** The window of the current key fires. */
  fire(contents: C, window: Window): void {
    const { step, scope } = this;
    if (step.kind === "contents") {
      // Without a function what is given is the result.
      if (typeof contents === "object") this.check(contents, "the function given to aggregate()");
      scope.out.collect(contents, window.maxTimestampMs);
      return;
    }
    this.window = window;
    if (step.kind === "function") {
      const result: unknown = step.apply(contents, this);
      if (typeof result === "object") this.check(result, "the function of the window");
      scope.out.collect(result, window.maxTimestampMs);
      return;
    }
    this.enter(window);
    const result: unknown = step.process.process(contents, this);
    if (result !== undefined) this.check(result, "process()");
  }

  /** The window of the current key goes. */
  clear(window: Window): void {
    if (!this.clears) return;
    this.window = window;
    this.enter(window);
    const result: unknown = this.process!.clear?.(this); // only a process function has anything to clear
    if (result !== undefined) this.check(result, "clear()");
    for (const handle of this.ofWindow) handle.clear();
  }

  private enter(window: Window): void {
    if (this.ofWindow.length === 0) return;
    const namespace: Namespace = namespaceOf(window);
    for (const handle of this.ofWindow) handle.setNamespace(namespace);
  }
}

/** Opens declared states; the handles are added to `all`, too. */
export function openStates(
  scope: ActorScope,
  declared: StateDeclarations | undefined,
  all: Namespaced[],
  prefix = "",
): WindowStates<StateDeclarations> {
  const handles: Record<string, unknown> = {};
  for (const [name, descriptor] of Object.entries(declared ?? {})) {
    // Every descriptor has a kind that one of the overloads takes; the handle's type is StateOf of it.
    const own = { ...descriptor, name: prefix + descriptor.name } as ValueStateDescriptor<unknown>;
    const handle = scope.states.open(own);
    handles[name] = handle;
    all.push(handle);
  }
  // The handles were made one by one from the declarations.
  return Object.freeze(handles) as WindowStates<StateDeclarations>;
}
