/**
 * What can be done with two streams at once. Every call adds a node with two inputs to the graph.
 *
 * Called by: users, through `connect()` in runtime/stream.ts.
 * Calls: the operators beside it.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { Operator, OperatorContext } from "../operator.ts";
import type { OperatorStateDeclarations, StateDeclarations } from "../process_function.ts";
import type { WidenedKey } from "../keyed_stream.ts";
import { type DataStream, streamOf } from "../stream.ts";
import type { NodeDeclaration, StreamEdge, StreamGraph } from "../stream_graph.ts";
import { BroadcastOperator } from "./broadcast_operator.ts";
import type { CoActor } from "./co_actor.ts";
import { CoActorOperator } from "./co_actor_operator.ts";
import { KeyedBroadcastOperator } from "./keyed_broadcast_operator.ts";
import { KeyedTwoInputOperator, type TwoKeys } from "./keyed_two_input_operator.ts";
import type {
  BroadcastDeclarations,
  BroadcastProcessFunction,
  KeyedBroadcastProcessFunction,
  KeyedTwoInputProcessFunction,
  TwoInputProcessFunction,
} from "./two_input_functions.ts";
import { TwoInputOperator } from "./two_input_operator.ts";

/** Two streams on their way into one operator. */
export class TwoInputs {
  readonly #edges: readonly StreamEdge[];

  /** @param first Edges of the first stream. @param second Edges of the second. */
  constructor(private readonly graph: StreamGraph, first: readonly StreamEdge[], second: readonly StreamEdge[]) {
    this.#edges = [...first, ...second.map((edge) => ({ ...edge, port: 1 as const }))];
  }

  /** Adds the operator. @param name Null for one without state. */
  add<O>(
    declaration: Pick<NodeDeclaration, "name" | "label" | "kind" | "takesLists">,
    make: (context: OperatorContext) => Operator<never, O>,
  ): DataStream<O> {
    return streamOf<O>(this.graph, this.graph.add({ ...declaration, inputs: this.#edges, make }));
  }
}

/**
 * Two streams without a key, made by `first.connect(second)`.
 *
 * @example
 * ```ts
 * import { collectSink, fromIterable, StreamEnvironment } from "../../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<string>();
 * const numbers = env.fromSource("numbers", fromIterable([1, 2]));
 * const words = env.fromSource("words", fromIterable(["a"]));
 * numbers.connect(words).map((n) => `number ${n}`, (word) => `word ${word}`).sinkTo("out", out);
 * await (await env.executeAsync("both")).result;
 * if (out.values.toSorted().join() !== "number 1,number 2,word a") throw new Error(out.values.join());
 * ```
 */
export class ConnectedStreams<A, B> {
  /** Not for users: comes from `stream.connect(…)`. */
  constructor(private readonly inputs: TwoInputs) {}

  /** One value for each. @param first For values of the first stream; synchronous. @param second For the second. */
  map<O>(first: (value: A) => O, second: (value: B) => O): DataStream<O> {
    return this.#stateless("map", {
      onFirst: (value, context) => context.emit(first(value)),
      onSecond: (value, context) => context.emit(second(value)),
    });
  }

  /** Any number of values for each. @param first As in `map`. @param second As in `map`. */
  flatMap<O>(first: (value: A) => Iterable<O>, second: (value: B) => Iterable<O>): DataStream<O> {
    return this.#stateless("flatMap", {
      onFirst(value, context) {
        for (const one of first(value)) context.emit(one);
      },
      onSecond(value, context) {
        for (const one of second(value)) context.emit(one);
      },
    });
  }

  /**
   * A step that takes both.
   *
   * @param name Identifies the step's state across restarts; unique in the pipeline.
   * @param step What it emits is named by its `emits: emits<O>()`.
   */
  process<O = never, S extends OperatorStateDeclarations = Record<never, never>>(
    name: string,
    step: TwoInputProcessFunction<A, B, O, S>,
  ): DataStream<O> {
    return this.inputs.add(
      { name, label: "process", kind: "stateless" },
      (context) => new TwoInputOperator<A, B, O, S>(context, step),
    );
  }

  #stateless<O>(
    label: string,
    step: TwoInputProcessFunction<A, B, O, Record<never, never>>,
  ): DataStream<O> {
    return this.inputs.add({ name: null, label, kind: "stateless" }, (context) => new TwoInputOperator(context, step));
  }
}

/**
 * Two streams with keys of the same type, made by `first.keyBy(…).connect(second.keyBy(…))`: values of both with equal
 * keys meet in one actor, and share its state and timers.
 */
export class ConnectedKeyedStreams<K extends Key, A, B> {
  /** Not for users: comes from `keyedStream.connect(…)`. */
  constructor(private readonly inputs: TwoInputs, private readonly keys: TwoKeys<K, A, B>) {}

  /**
   * Runs an actor for every key.
   *
   * @param name Identifies the actor's state across restarts; unique in the pipeline.
   * @param make Makes one actor per subtask; called again after a failure.
   */
  actor<O>(name: string, make: () => CoActor<WidenedKey<K>, A, B, O>): DataStream<O> {
    return this.inputs.add(
      { name, label: name, kind: "keyed" },
      (context) => new CoActorOperator<Key, A, B, O>(context, this.keys, make),
    );
  }

  /**
   * Runs a step for every key; an actor as a plain object.
   *
   * @example
   * ```ts
   * import { collectSink, emits, fromIterable, StreamEnvironment, valueState } from "../../mod.ts";
   *
   * const env = StreamEnvironment.create({ argv: [] });
   * const out = collectSink<string>();
   * const names = env.fromSource("names", fromIterable([{ id: 1, name: "ann" }])).keyBy(({ id }) => id);
   * const logins = env.fromSource("logins", fromIterable([{ user: 1 }])).keyBy(({ user }) => user);
   * names.connect(logins).process("greet", {
   *   emits: emits<string>(),
   *   state: { name: valueState<string>("name"), isWaiting: valueState<boolean>("is waiting", { default: false }) },
   *   onFirst({ name }, context) {
   *     context.state.name.update(name);
   *     if (context.state.isWaiting.value()) context.emit(`hello ${name}`);
   *   },
   *   onSecond(_, context) {
   *     const name = context.state.name.value();
   *     if (name === null) context.state.isWaiting.update(true);
   *     else context.emit(`hello ${name}`);
   *   },
   * }).sinkTo("out", out);
   * await (await env.executeAsync("greetings")).result;
   * if (out.values.join() !== "hello ann") throw new Error(out.values.join());
   * ```
   *
   * @param name As in `actor`.
   */
  process<O = never, S extends StateDeclarations = Record<never, never>>(
    name: string,
    step: KeyedTwoInputProcessFunction<K, A, B, O, S>,
  ): DataStream<O> {
    return this.inputs.add(
      { name, label: name, kind: "keyed" },
      (context) => new KeyedTwoInputOperator<K, A, B, O, S>(context, this.keys, step),
    );
  }
}

/** A stream beside one that every subtask is given, made by `stream.connect(rules.broadcast())`. */
export class BroadcastConnectedStream<A, B> extends ConnectedStreams<A, B> {
  /** Not for users: comes from `stream.connect(…)`. */
  constructor(private readonly both: TwoInputs) {
    super(both);
  }

  /**
   * A step that reads what the broadcast stream tells it.
   *
   * @example
   * ```ts
   * import { broadcastState, collectSink, emits, fromIterable, StreamEnvironment } from "../../mod.ts";
   *
   * const env = StreamEnvironment.create({ argv: [] });
   * const out = collectSink<string>();
   * const blocked = env.fromSource("blocked", fromIterable(["eve"])).broadcast();
   * env.fromSource("visits", fromIterable(["ann", "bob"])).connect(blocked).processBroadcast("gate", {
   *   emits: emits<string>(),
   *   broadcast: { blocked: broadcastState<string, true>("blocked") },
   *   onMessage(name, context) {
   *     if (!context.broadcast.blocked.has(name)) context.emit(name);
   *   },
   *   onBroadcast: (name, { broadcast }) => void broadcast.blocked.set(name, true),
   * }).sinkTo("out", out);
   * await (await env.executeAsync("visits")).result;
   * if (out.values.toSorted().join() !== "ann,bob") throw new Error(out.values.join());
   * ```
   *
   * @param name Identifies the step's state across restarts; unique in the pipeline.
   */
  processBroadcast<O = never, M extends BroadcastDeclarations = Record<never, never>>(
    name: string,
    step: BroadcastProcessFunction<A, B, O, M>,
  ): DataStream<O> {
    return this.both.add(
      { name, label: "process", kind: "stateless" },
      (context) => new BroadcastOperator<A, B, O, M>(context, step),
    );
  }
}

/** A keyed stream beside one that every subtask is given, made by `keyed.connect(rules.broadcast())`. */
export class BroadcastConnectedKeyedStream<K extends Key, A, B> {
  /** Not for users: comes from `keyedStream.connect(…)`. */
  constructor(private readonly inputs: TwoInputs, private readonly keyOf: (value: A) => K) {}

  /**
   * Runs a step for every key that reads what the broadcast stream tells it.
   *
   * @param name Identifies the step's state across restarts; unique in the pipeline.
   */
  process<
    O = never,
    S extends StateDeclarations = Record<never, never>,
    M extends BroadcastDeclarations = Record<never, never>,
  >(
    name: string,
    step: KeyedBroadcastProcessFunction<K, A, B, O, S, M>,
  ): DataStream<O> {
    return this.inputs.add(
      { name, label: name, kind: "keyed", takesLists: true },
      (context) => new KeyedBroadcastOperator<K, A, B, O, S, M>(context, this.keyOf, step),
    );
  }
}
