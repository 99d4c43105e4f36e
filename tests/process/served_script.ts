/** A script with a job that counts for ever, to be driven over HTTP: options come from its arguments. */
import { printLine } from "../../control/process_surroundings.ts";
import { callbackSink, generator, KeyedActor, StreamEnvironment, valueState } from "../../mod.ts";

class Count extends KeyedActor<number, number, number> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));

  override onMessage(): void {
    this.#count.update(this.#count.value() + 1);
    this.emit(this.#count.value());
  }
}

const env = StreamEnvironment.create();
env.fromSource("numbers", generator({ create: (index) => index, ratePerSecond: 500 }))
  .keyBy((n) => n % 5)
  .actor("count", () => new Count())
  .sinkTo("out", callbackSink(() => {}));
const { state } = await env.execute("served");
printLine(`ended ${state}`);
