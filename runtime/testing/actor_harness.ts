/**
 * One actor or keyed step at work without a job: a test gives it messages and time, and looks at what it does.
 *
 * Called by: users' tests, through `testing.ts`.
 * Calls: the operators of actors and keyed steps, with a clock and files that exist in memory alone.
 *
 * Invariants:
 * - nothing happens outside of a call of the test; the same calls have the same outcome.
 *
 * @module
 */
import { NO_TIMESTAMP } from "../../core/element.ts";
import { checkKey, type Key } from "../../core/key.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import type { KeyedActor } from "../actor.ts";
import type { OperatorContext } from "../operator.ts";
import { KeyedActorOperator } from "../operators/keyed_actor_operator.ts";
import type { KeyedOperator } from "../operators/keyed_operator.ts";
import { KeyedProcessOperator } from "../operators/keyed_process_operator.ts";
import type { Output } from "../output.ts";
import type { KeyedProcessFunction, StateDeclarations } from "../process_function.ts";
import type { OutputTag } from "../side_output.ts";
import type { QueriedState, QueryResult } from "../state_reader.ts";
import "./loaded_timers.ts";
import { eventLoopTurn } from "./event_loop_turn.ts";
import { type HarnessOptions, type HarnessParts, type HarnessSnapshot, prepareHarness } from "./harness_context.ts";
import type { HarnessTask } from "./harness_task.ts";
import type { ManualClock } from "./manual_clock.ts";
import { MemorySnapshots } from "./memory_snapshot_store.ts";
import type { ToldMessage } from "./told_messages.ts";

/** Turns of the event loop after which something that was waited for is taken to never come. */
const PATIENCE = 1_000_000;

/** What came out of a harness. */
export interface Emitted<O> {
  /** As it was emitted; not a copy. */
  readonly value: O;
  /** Milliseconds since the epoch; -Infinity when it has none. */
  readonly timestampMs: number;
}

/** Makes the operator. @param keyOf The key of the message in hand. */
type MakeOperator<K extends Key, I, O> = (context: OperatorContext, keyOf: () => K) => KeyedOperator<K, I, O>;

/** One actor at work; comes from `actorHarness`. */
export class ActorHarness<K extends Key, I, O> implements AsyncDisposable {
  readonly #options: HarnessOptions;
  readonly #clock: ManualClock;
  readonly #task: HarnessTask;
  readonly #operator: KeyedOperator<K, I, O>;
  readonly #context: OperatorContext;
  readonly #told: ToldMessage[];
  readonly #outputs: Emitted<O>[] = [];
  readonly #sides = new SideOutputs();
  #snapshots = 0;
  /** Of the message in hand. */
  #key: K | null = null;

  private constructor(make: MakeOperator<K, I, O>, context: OperatorContext, parts: HarnessParts) {
    ({ options: this.#options, clock: this.#clock, task: this.#task, told: this.#told } = parts);
    this.#context = context;
    this.#operator = make(context, () => this.#key!); // set before each message
    parts.operator = this.#operator;
    this.#operator.out = outputTo(this.#outputs);
    this.#operator.sides = this.#sides;
  }

  /**
   * For `actorHarness`.
   *
   * @internal
   */
  static async open<K extends Key, I, O>(
    make: MakeOperator<K, I, O>,
    options: HarnessOptions,
  ): Promise<ActorHarness<K, I, O>> {
    const { context, parts } = await prepareHarness(options);
    const harness = new ActorHarness(make, context, parts);
    await harness.#drive(Promise.resolve(harness.#operator.open()));
    harness.#step(() => harness.#operator.start());
    return harness;
  }

  /**
   * Gives it a message.
   *
   * @param timestampMs Event time, milliseconds since the epoch. Default: none.
   * @throws What the actor throws, as the `cause` of a `StreamError`. @throws {RangeError} If the key belongs to another
   *   subtask. @throws {TypeError} For what is no key.
   */
  send(key: K, message: I, timestampMs: number = NO_TIMESTAMP): void {
    this.#checkKey(key, "send to");
    this.#step(() => {
      this.#key = key;
      this.#operator.collect(message, timestampMs);
    });
  }

  /** Event time has come so far; fires timers that are due. `MAX_WATERMARK` is its end. @throws As `send`. */
  watermark(timestampMs: number): void {
    this.#step(() => this.#operator.watermark(timestampMs));
  }

  /** The wall clock goes on; fires timers that are due, each at its time. @throws As `send`. */
  advanceTime(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`Cannot advance time by ${ms} ms: it must not go back`);
    this.#clock.advance(ms);
  }

  /** The wall clock, milliseconds since the epoch. */
  get nowMs(): number {
    return this.#clock.nowMs();
  }

  /** What has come out and was not taken. */
  get outputs(): readonly Emitted<O>[] {
    return this.#outputs;
  }

  /** Takes what has come out. */
  takeOutputs(): Emitted<O>[] {
    return this.#outputs.splice(0);
  }

  /** Takes what has come out, without times. */
  takeValues(): O[] {
    return this.takeOutputs().map(({ value }) => value);
  }

  /** What has come out of a side output and was not taken. */
  sideOutput<T>(tag: OutputTag<T>): readonly Emitted<T>[] {
    return this.#sides.of(tag);
  }

  /** Takes what has come out of a side output. */
  takeSideOutput<T>(tag: OutputTag<T>): Emitted<T>[] {
    return this.#sides.of(tag).splice(0);
  }

  /** Messages that it has told others, or itself, and that were not taken. A harness delivers none: send them if you like. */
  get told(): readonly ToldMessage[] {
    return this.#told;
  }

  /** Takes the messages that it has told. */
  takeTold(): ToldMessage[] {
    return this.#told.splice(0);
  }

  /**
   * A copy of what it keeps for a key: a value, an array for a list, a `Map` for a map, the fold or result, or null.
   *
   * @param state The descriptor with which it declares the state.
   * @throws {StreamError} If it declares no such state. @throws {RangeError} If the key belongs to another subtask.
   */
  state<D extends QueriedState>(state: D, key: K): QueryResult<D> {
    this.#checkKey(key, "read the state of");
    return this.#operator.readState(state, key);
  }

  /** State and timers as they are now, to be restored into another harness; this one goes on. */
  async snapshot(): Promise<HarnessSnapshot> {
    const checkpointId = ++this.#snapshots;
    const nowMs = this.nowMs;
    const operator = this.#operator;
    operator.flush();
    const parts = operator.snapshot({
      checkpointId,
      timestampMs: nowMs,
      type: "savepoint",
      full: true,
      format: "canonical",
    });
    const files = new MemorySnapshots({ inlineBelowBytes: Number.POSITIVE_INFINITY });
    const written = Promise.all([parts.keyed?.write(files) ?? null, parts.lists()]);
    const [keyed, lists] = await this.#drive(written);
    return Object.freeze({ keyed, lists, nowMs, maxParallelism: this.#context.maxParallelism });
  }

  /** Ends it; `onClose` is called. */
  async close(): Promise<void> {
    await this.#drive(Promise.resolve(this.#operator.close()));
  }

  /** Ends it, at the end of an `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #step(act: () => void): void {
    this.#task.step(act);
    // What is due already need not wait until time goes on.
    this.#clock.advance(0);
  }

  #checkKey(key: K, action: string): void {
    checkKey(key);
    if (this.#operator.owns(key)) return;
    const { maxParallelism, keyGroups: { start, end } } = this.#context;
    const { subtaskIndex = 0, parallelism = 1 } = this.#options;
    throw new RangeError(
      `Cannot ${action} ${JSON.stringify(key)}: it is in key group ${keyGroupOf(key, maxParallelism)}, subtask ` +
        `${subtaskIndex} of ${parallelism} has ${start} to ${end}; use another key, or the harness of another subtask`,
    );
  }

  /** Lets background work go on until the promise has settled, and settles as it does. Time stands still. */
  async #drive<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    promise.then(mark, mark);
    for (let turns = 0; !isSettled; turns++) {
      if (turns > PATIENCE) throw new Error("Cannot go on: what is waited for does not come while time stands still");
      await eventLoopTurn();
      this.#clock.runDeferred();
    }
    return await promise;
  }
}

/** Side outputs by tag id, each made when it is asked for. */
class SideOutputs extends Map<string, Output<unknown>> {
  readonly #emitted = new Map<string, Emitted<unknown>[]>();

  override get(tagId: string): Output<unknown> {
    return outputTo(this.#list(tagId));
  }

  of<T>(tag: OutputTag<T>): Emitted<T>[] {
    return this.#list(tag.id) as Emitted<T>[]; // The tag says what is sent there.
  }

  #list(tagId: string): Emitted<unknown>[] {
    let list = this.#emitted.get(tagId);
    if (list === undefined) this.#emitted.set(tagId, list = []);
    return list;
  }
}

function outputTo<T>(emitted: Emitted<T>[]): Output<T> {
  return {
    collect: (value, timestampMs) => void emitted.push({ value, timestampMs }),
    watermark: () => {},
    idle: () => {},
  };
}

/**
 * Runs one actor, as one subtask of a job would, on a clock and files that exist in memory alone.
 *
 * @example
 * ```ts
 * import { KeyedActor, valueState } from "../../mod.ts";
 * import { actorHarness } from "../../testing.ts";
 *
 * const COUNT = valueState("count", { default: 0 });
 *
 * class Counter extends KeyedActor<string, string, string> {
 *   readonly #count = this.state(COUNT);
 *
 *   override onMessage(word: string): void {
 *     this.#count.update(this.#count.value() + 1);
 *     this.emit(`${word} ${this.#count.value()}`);
 *   }
 * }
 *
 * await using harness = await actorHarness(() => new Counter());
 * harness.send("be", "be");
 * harness.send("be", "be");
 * if (harness.takeValues().join() !== "be 1,be 2") throw new Error("it does not count");
 * if (harness.state(COUNT, "be") !== 2) throw new Error("it does not remember");
 * ```
 *
 * @param make As given to `actor(name, make)`.
 */
export function actorHarness<K extends Key, I, O>(
  make: () => KeyedActor<K, I, O>,
  options?: HarnessOptions,
): Promise<ActorHarness<K, I, O>>;
/**
 * Runs one keyed step.
 *
 * @param step As given to `process(name, step)`.
 */
export function actorHarness<K extends Key, I, O, S extends StateDeclarations = Record<never, never>>(
  step: KeyedProcessFunction<K, I, O, S>,
  options?: HarnessOptions,
): Promise<ActorHarness<K, I, O>>;
export function actorHarness<K extends Key, I, O>(
  actor: (() => KeyedActor<K, I, O>) | KeyedProcessFunction<K, I, O, StateDeclarations>,
  options: HarnessOptions = {},
): Promise<ActorHarness<K, I, O>> {
  if (typeof actor === "function") {
    return ActorHarness.open((context, keyOf) => new KeyedActorOperator(context, keyOf, actor), options);
  }
  const { tells = [] } = actor;
  const make: MakeOperator<K, I, O> = (context, keyOf) => new KeyedProcessOperator(context, keyOf, actor);
  return ActorHarness.open(make, { tells, ...options });
}
