/**
 * The class that users extend: one actor per subtask that speaks, at every
 * message and timer, as the actor of the current key.
 *
 * Called by: runtime/operators/keyed_actor_operator.ts.
 * Calls: the handles and services of that operator, directly.
 *
 * Invariants:
 * - an actor is made only inside its operator, with the backend open, so that
 *   `this.state(…)` in a field returns a handle at once: the backend's own, unless more is asked (keyed_states.ts).
 *
 * @module
 */
import type { StateBackend } from "../core/backend.ts";
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  ValueStateDescriptor,
} from "../core/descriptors.ts";
import { StreamError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { MetricGroup } from "../core/metrics.ts";
import type { AggregatingState, ListState, MapState, ReducingState, ValueState } from "../core/state.ts";
import type { KeyedStates } from "./keyed_states.ts";
import type { ActorRef } from "./feedback/actor_ref.ts";
import { type Outbox, tell, tellAfter } from "./feedback/outbox.ts";
import type { Output } from "./output.ts";
import type { Duration } from "./windows/duration.ts";
import type { OutputTag } from "./side_output.ts";

const SCOPE: unique symbol = Symbol("weir.actor-scope");

/** Which clock a timer follows. */
export type TimeDomain = "event" | "processing";

/** Timers of the current key. A timer is the same as another when key and time are. */
export interface ActorTimers {
  /** Fires once the watermark reaches `timestampMs`. */
  registerEventTime(timestampMs: number): void;
  /** Takes a timer back; nothing happens when there is none. */
  deleteEventTime(timestampMs: number): void;
  /** Fires once the wall clock reaches `timestampMs`. */
  registerProcessingTime(timestampMs: number): void;
  /** Takes a timer back; nothing happens when there is none. */
  deleteProcessingTime(timestampMs: number): void;
  /** Event time has come this far; -Infinity before the first watermark. */
  readonly currentWatermark: number;
  /** The wall clock, milliseconds since the epoch. */
  currentProcessingTime(): number;
}

/** What an operator lends to its actor. */
export interface ActorScope {
  readonly backend: StateBackend;
  readonly states: KeyedStates;
  readonly timers: ActorTimers;
  readonly metrics: MetricGroup;
  readonly operatorName: string;
  /** Main output; one that refuses while there is no message and no timer. */
  out: Output<unknown>;
  /** Event time of the record or timer in hand. */
  timestampMs: number;
  /** State may be declared only while the actor is made. */
  isSealed: boolean;
  /** Where it tells other actors. */
  readonly outbox: Outbox;
  /** As `out`, for a side output. */
  sideOutput: (tagId: string) => Output<unknown>;
}

/** The operator that is making its actor right now. Set only within `makeActor`, which is synchronous. */
let scopeInTheMaking: ActorScope | null = null;

/** The actors that were made since `makeActor` was called; null outside of it. */
let made: Set<unknown> | null = null;

/**
 * Makes an actor that lives in `scope`.
 *
 * @throws {StreamError} If `make` does not return an actor that it has just made: one from before has another scope.
 */
export function makeActor<A>(scope: ActorScope, make: () => A): A {
  const outer = [scopeInTheMaking, made] as const;
  scopeInTheMaking = scope;
  made = new Set();
  try {
    const actor = make();
    if (!made.has(actor)) throw notMadeHere(scope.operatorName, actor);
    return actor;
  } finally {
    [scopeInTheMaking, made] = outer;
    scope.isSealed = true;
  }
}

function notMadeHere(operatorName: string, actor: unknown): StreamError {
  if (actor instanceof Promise) actor.catch(() => {}); // Its failure is a consequence of the misuse that is reported.
  const what = actor instanceof Promise ? "a promise" : "no actor that it has just made";
  return new StreamError(
    "invalid",
    `Cannot run "${operatorName}": the function given to actor() returned ${what}; ` +
      `make a new one at every call: () => new MyActor(), and wait for what is asynchronous in onOpen()`,
  );
}

/**
 * An actor with state per key. Extend it, declare state in fields, and give a
 * function that makes one to `keyBy(…).actor(name, () => new MyActor())`.
 *
 * Methods are synchronous; one that returns a promise fails.
 *
 * @example
 * ```ts
 * import { KeyedActor, valueState } from "../mod.ts";
 *
 * class Counter extends KeyedActor<string, unknown, number> {
 *   readonly #count = this.state(valueState<number>("count", { default: 0 }));
 *
 *   override onMessage(): void {
 *     this.#count.update(this.#count.value() + 1);
 *     this.emit(this.#count.value());
 *   }
 * }
 * ```
 *
 * @typeParam K Key. @typeParam I Message. @typeParam O What it emits.
 */
export abstract class KeyedActor<K extends Key, I, O = never> {
  /**
   * For the engine. A symbol, so that no field of a user's actor can be in its way.
   *
   * @internal
   */
  readonly [SCOPE]: ActorScope;

  /** @throws {StreamError} If it is not made by the function given to `actor()`. */
  constructor() {
    if (scopeInTheMaking === null) {
      throw new StreamError(
        "invalid",
        `Cannot make a ${new.target.name} here: an actor lives in an operator; ` +
          `give a function that makes it to keyBy(…).actor("name", () => new ${new.target.name}())`,
      );
    }
    this[SCOPE] = scopeInTheMaking;
    made?.add(this);
  }

  /** Called for every message of the current key. */
  abstract onMessage(value: I): void;

  /** Called when a timer of the current key is due. */
  onTimer(_timestampMs: number, _domain: TimeDomain): void {}

  /** Called once before the first message; there is no current key yet. */
  onOpen(): void | Promise<void> {}

  /** Called once after the last message, also after a failure. */
  onClose(): void | Promise<void> {}

  /** The current key. */
  get key(): K {
    // The operator sets only keys that its key selector, typed K, returned.
    return this[SCOPE].backend.currentKey() as K;
  }

  /**
   * Event time of the message or event-time timer in hand, milliseconds since the epoch; -Infinity when it has none, as
   * in a processing-time timer.
   */
  get timestampMs(): number {
    return this[SCOPE].timestampMs;
  }

  /** Timers of the current key. */
  get timers(): ActorTimers {
    return this[SCOPE].timers;
  }

  /** Counters, gauges and histograms of this operator subtask. */
  get metrics(): MetricGroup {
    return this[SCOPE].metrics;
  }

  /**
   * Sends a value downstream with the timestamp of the message or timer in hand; only in `onMessage` and `onTimer`, not
   * in a callback that runs after they have returned: the job fails then.
   *
   * @throws {StreamError} If called in `onOpen`, `onClose` or while the actor is made.
   */
  emit(value: O): void {
    const scope = this[SCOPE];
    scope.out.collect(value, scope.timestampMs);
  }

  /** Sends a value to a side output; otherwise as `emit`. */
  emitTo<T>(tag: OutputTag<T>, value: T): void {
    this[SCOPE].sideOutput(tag.id).collect(value, this[SCOPE].timestampMs);
  }

  /**
   * Sends a message to the actor with a key, which gets it by `onMessage`, with the event time of what is in hand here.
   * Messages from one subtask to one key keep their order, and each is processed exactly once, also after failures.
   * Which actors it tells is said where this one is added: `actor(name, make, { tells: [name] })`.
   *
   * @param actor Its name, or an `actorRef`; it may be this one.
   * @throws {StreamError} If the actor is not among `tells`, nothing is in hand, or too many messages wait there already.
   * @throws {TypeError} For null and undefined, and for what is no key.
   */
  tell<T extends Key, M>(actor: ActorRef<T, M> | string, key: T, message: M): void {
    tell(this[SCOPE], actor, key, message);
  }

  /**
   * As `tell`, not before the time has passed by the wall clock. The message is state of the actor that is told, like a
   * processing-time timer: one that is pending when all input has ended is dropped.
   *
   * @param delay Milliseconds, or text such as "10 s".
   */
  tellAfter<T extends Key, M>(delay: Duration, actor: ActorRef<T, M> | string, key: T, message: M): void {
    tellAfter(this[SCOPE], delay, actor, key, message);
  }

  /**
   * Declares state of this actor; only in a field or the constructor.
   *
   * @throws {StreamError} If called later, or if a restored state of that name does not fit.
   */
  state<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>;
  /** Declares a list state; see the first overload. */
  state<T>(descriptor: ListStateDescriptor<T>): ListState<T>;
  /** Declares a map state; see the first overload. */
  state<MK, V>(descriptor: MapStateDescriptor<MK, V>): MapState<MK, V>;
  /** Declares a reducing state; see the first overload. */
  state<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>;
  /** Declares a aggregating state; see the first overload. */
  state<A, B, C>(descriptor: AggregatingStateDescriptor<A, B, C>): AggregatingState<A, C>;
  state(descriptor: { readonly name: string }): unknown {
    const scope = this[SCOPE];
    if (scope.isSealed) {
      throw new StreamError(
        "invalid",
        `Cannot declare state "${descriptor.name}" in "${scope.operatorName}": the actor is at work; ` +
          `declare it in a field: readonly #x = this.state(…)`,
      );
    }
    // The overloads above admit exactly the descriptors that those of `open` admit.
    return scope.states.open(descriptor as ValueStateDescriptor<unknown>);
  }
}
