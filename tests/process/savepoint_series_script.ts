/** A script with a job that counts as fast as it can until it is stopped; what it commits says how often each key came. */
import { fileSink, generator, KeyedActor, StreamEnvironment, valueState } from "../../mod.ts";
import { EVERY, keyOf } from "./savepoint_series.ts";

class Count extends KeyedActor<number, number, string> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));

  override onMessage(): void {
    const count = this.#count.value();
    this.#count.update(count + 1);
    if (count % EVERY === 0) this.emit(`${this.key}:${count}`);
  }
}

const env = StreamEnvironment.create({ args: { keys: { type: "number", default: 1_000, description: "of them" } } });
const { keys } = env.args;
env.fromSource("numbers", generator({ create: (index) => keyOf(index, keys) }))
  .keyBy((key) => key)
  .actor("count", () => new Count())
  .sinkTo("out", fileSink("out"));
await env.execute("series");
