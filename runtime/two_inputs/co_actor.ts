/**
 * An actor that hears two streams.
 *
 * Called by: users extend it; the operator beside it calls it.
 * Calls: runtime/actor.ts.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { KeyedActor } from "../actor.ts";

/**
 * An actor with state per key that takes the messages of two streams. Give a function that makes one to
 * `first.keyBy(…).connect(second.keyBy(…)).actor(name, () => new MyActor())`.
 *
 * Methods are synchronous; one that returns a promise fails.
 *
 * @example
 * ```ts
 * import { CoActor, collectSink, fromIterable, StreamEnvironment, valueState } from "../../mod.ts";
 *
 * class Price extends CoActor<string, { item: string; price: number }, { item: string; count: number }, number> {
 *   readonly #price = this.state(valueState<number>("price"));
 *   readonly #waiting = this.state(valueState<number>("waiting", { default: 0 }));
 *
 *   override onFirst({ price }: { price: number }): void {
 *     this.#price.update(price);
 *     if (this.#waiting.value() > 0) this.emit(price * this.#waiting.value());
 *     this.#waiting.clear();
 *   }
 *
 *   override onSecond({ count }: { count: number }): void {
 *     const price = this.#price.value();
 *     if (price === null) this.#waiting.update(this.#waiting.value() + count);
 *     else this.emit(price * count);
 *   }
 * }
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<number>();
 * const prices = env.fromSource("prices", fromIterable([{ item: "tea", price: 3 }])).keyBy(({ item }) => item);
 * const orders = env.fromSource("orders", fromIterable([{ item: "tea", count: 2 }])).keyBy(({ item }) => item);
 * prices.connect(orders).actor("amounts", () => new Price()).sinkTo("out", out);
 * await (await env.executeAsync("orders")).result;
 * if (out.values.join() !== "6") throw new Error(out.values.join());
 * ```
 *
 * @typeParam K Key. @typeParam A Message of the first stream. @typeParam B Of the second. @typeParam O What it emits.
 */
export abstract class CoActor<K extends Key, A, B, O = never> extends KeyedActor<K, A, O> {
  /** Called for every message of the first stream of the current key. */
  abstract onFirst(value: A): void;

  /** Called for every message of the second stream of the current key. */
  abstract onSecond(value: B): void;

  /** Passes a message of the first stream on to {@link onFirst}. */
  override onMessage(value: A): void {
    return this.onFirst(value);
  }
}
