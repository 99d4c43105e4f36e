/**
 * The fluent API of streams that are grouped by key.
 *
 * Called by: users, through `keyBy()` in runtime/stream.ts.
 * Calls: runtime/stream_graph.ts, runtime/operators/, runtime/two_inputs/.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { KeyedActor } from "./actor.ts";
import { type ActorRef, nameOfActor } from "./feedback/actor_ref.ts";
import type { Operator, OperatorContext } from "./operator.ts";
import { KeyedActorOperator } from "./operators/keyed_actor_operator.ts";
import { KeyedProcessOperator } from "./operators/keyed_process_operator.ts";
import { ReduceOperator } from "./operators/reduce_operator.ts";
import type { KeyedProcessFunction, StateDeclarations } from "./process_function.ts";
import { BroadcastStream, type DataStream, edgesOf, streamOf } from "./stream.ts";
import type { NodeDeclaration, StreamEdge, StreamGraph } from "./stream_graph.ts";
import { BroadcastConnectedKeyedStream, ConnectedKeyedStreams, TwoInputs } from "./two_inputs/connected_streams.ts";
import { countWindows, type WindowedStream, windowedStream } from "./windowed_stream.ts";
import { globalWindow } from "./windows/assigners.ts";
import type { GlobalWindow, Window } from "./windows/window.ts";
import type { WindowAssigner } from "./windows/window_assigner.ts";
import { IntervalJoin } from "./two_inputs/interval_join.ts";

/** `string` for a type of one string, and so on: an actor for any string is one for `keyBy(() => "all")`, too. */
export type WidenedKey<K extends Key> = K extends string ? string
  : K extends number ? number
  : K extends bigint ? bigint
  : K extends boolean ? boolean
  : K;

/** What may be said of an actor besides. */
export interface ActorOptions {
  /** Actors and steps that it tells messages, itself included. */
  readonly tells?: readonly (ActorRef<Key, unknown> | string)[];
}

function namesOf(tells: ActorOptions["tells"] = []): readonly string[] {
  return [...new Set(tells.map(nameOfActor))];
}

/**
 * A stream grouped by key.
 *
 * @example
 * ```ts
 * import { collectSink, fromIterable, StreamEnvironment } from "../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<number>();
 * env.fromSource("numbers", fromIterable([1, 2, 3, 4]))
 *   .keyBy((n) => n % 2)
 *   .reduce("sums", (left, right) => left + right)
 *   .sinkTo("out", out);
 * await (await env.executeAsync("sums of odd and even numbers")).result;
 * if (out.values.join() !== "1,2,4,6") throw new Error(out.values.join());
 * ```
 */
export class KeyedStream<K extends Key, T> {
  /** Not for users: comes from `stream.keyBy(…)`. */
  constructor(
    private readonly graph: StreamGraph,
    private readonly edges: readonly StreamEdge[],
    private readonly keyOf: (value: T) => K,
  ) {}

  /**
   * Runs an actor for every key.
   *
   * @param name Identifies the actor's state across restarts; unique in the pipeline.
   * @param make Makes one actor per subtask; called again after a failure.
   * @param options `tells`: actors and steps that it tells messages, itself included; by name or `actorRef`.
   */
  actor<O>(
    name: string,
    make: () => KeyedActor<WidenedKey<K>, T, O>,
    options: ActorOptions = {},
  ): DataStream<O> {
    const makeOperator = (context: OperatorContext) => new KeyedActorOperator<Key, T, O>(context, this.keyOf, make);
    return this.#add(name, makeOperator, { takesMessages: true, tells: namesOf(options.tells) });
  }

  /**
   * Runs a step for every key; an actor as a plain object. What it emits cannot be inferred from its body: say it by
   * `emits`; without, `emit` takes nothing.
   *
   * @example
   * ```ts
   * import { collectSink, emits, fromIterable, StreamEnvironment, valueState } from "../mod.ts";
   *
   * const env = StreamEnvironment.create({ argv: [] });
   * const out = collectSink<string>();
   * env.fromSource("words", fromIterable(["to", "be", "to"])).keyBy((word) => word).process("count", {
   *   emits: emits<string>(),
   *   state: { count: valueState<number>("count", { default: 0 }) },
   *   onMessage(word, context) {
   *     const { count } = context.state;
   *     count.update(count.value() + 1);
   *     context.emit(`${word} ${count.value()}`);
   *   },
   * }).sinkTo("out", out);
   * await (await env.executeAsync("words")).result;
   * if (out.values.join() !== "to 1,be 1,to 2") throw new Error(out.values.join());
   * ```
   *
   * @param name As in `actor`.
   */
  process<O = never, S extends StateDeclarations = Record<never, never>>(
    name: string,
    step: KeyedProcessFunction<K, T, O, S>,
  ): DataStream<O> {
    const make = (context: OperatorContext) => new KeyedProcessOperator(context, this.keyOf, step);
    return this.#add(name, make, { takesMessages: true, tells: namesOf(step.tells) });
  }

  /**
   * Emits, for every value, the fold of its key so far.
   *
   * @param name As in `actor`.
   * @param reduce Associative and synchronous. It must not change its arguments but return a new value: what it returned
   * before is what downstream was given, and `right` belongs to whoever made it.
   */
  reduce(name: string, reduce: (left: T, right: T) => T): DataStream<T> {
    return this.#add(name, (context) => new ReduceOperator(context, this.keyOf, reduce));
  }

  /**
   * Cuts the values of each key into windows.
   *
   * @param assigner `tumbling`, `sliding`, `session`, `globalWindow`, or one of your own.
   */
  window<W extends Window>(assigner: WindowAssigner<T, W>): WindowedStream<K, T, W> {
    return windowedStream((name, make) => this.#add(name, make), this.keyOf, assigner);
  }

  /**
   * Cuts the values of each key into windows of so many; what is left at the end is never given out.
   *
   * @param size Values of a window, an integer ≥ 1.
   * @param slide A window of the last `size` values for every `slide`-th one, ≥ 1. Default: windows follow one another.
   * @throws {RangeError} If one of them is not.
   */
  countWindow(size: number, slide?: number): WindowedStream<K, T, GlobalWindow> {
    return countWindows(this.window(globalWindow()), size, slide);
  }

  /** This stream and a broadcast one before a step that reads what the latter tells it. */
  connect<B>(other: BroadcastStream<B>): BroadcastConnectedKeyedStream<K, T, B>;
  /** This stream and another with keys of the same type: values of both with equal keys meet in one actor. */
  connect<B>(other: KeyedStream<K, B>): ConnectedKeyedStreams<K, T, B>;
  connect<B>(
    other: BroadcastStream<B> | KeyedStream<K, B>,
  ): BroadcastConnectedKeyedStream<K, T, B> | ConnectedKeyedStreams<K, T, B> {
    if (other instanceof BroadcastStream) {
      return new BroadcastConnectedKeyedStream(new TwoInputs(this.graph, this.edges, edgesOf(other)), this.keyOf);
    }
    const inputs = new TwoInputs(this.graph, this.edges, other.edges);
    return new ConnectedKeyedStreams(inputs, { first: this.keyOf, second: other.keyOf });
  }

  /**
   * This stream and another with keys of the same type: each pair of values with equal keys whose times are not too far
   * apart. Both need event time.
   *
   * @example
   * ```ts
   * import { collectSink, fromIterable, StreamEnvironment, watermarks } from "../mod.ts";
   *
   * const env = StreamEnvironment.create({ argv: [] });
   * const out = collectSink<string>();
   * const orders = env.fromSource("orders", fromIterable([{ id: 1, at: 1_000 }]), watermarks(({ at }) => at));
   * const payments = env.fromSource("payments", fromIterable([{ order: 1, at: 61_000 }]), watermarks(({ at }) => at));
   * orders.keyBy(({ id }) => id).intervalJoin(payments.keyBy(({ order }) => order)).between(0, "1 h")
   *   .process<string>("paid", ({ id }, { at }, context) => context.emit(`${id} after ${at - context.firstTimestampMs} ms`))
   *   .sinkTo("out", out);
   * await (await env.executeAsync("payments")).result;
   * if (out.values.join() !== "1 after 60000 ms") throw new Error(out.values.join());
   * ```
   */
  intervalJoin<B>(other: KeyedStream<K, B>): IntervalJoin<K, T, B> {
    const inputs = new TwoInputs(this.graph, this.edges, other.edges);
    return new IntervalJoin(inputs, { first: this.keyOf, second: other.keyOf });
  }

  #add<O>(
    name: string,
    make: (context: OperatorContext) => Operator<T, O>,
    messages: Pick<NodeDeclaration, "takesMessages" | "tells"> = {},
  ): DataStream<O> {
    const declaration = { name, label: name, kind: "keyed" as const, inputs: this.edges, make, ...messages };
    return streamOf(this.graph, this.graph.add(declaration));
  }
}
