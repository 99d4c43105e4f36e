/** A script with two jobs that count for ever, to be driven over HTTP: options come from its arguments. */
import { printLine } from "../../control/process_surroundings.ts";
import { fileSink, generator, KeyedActor, StreamEnvironment, valueState } from "../../mod.ts";

const KEYS = 5;

class Count extends KeyedActor<number, number, string> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));

  override onMessage(): void {
    this.#count.update(this.#count.value() + 1);
    this.emit(`${this.key}:${this.#count.value()}`);
  }
}

async function count(name: string): Promise<void> {
  const env = StreamEnvironment.create();
  env.fromSource("numbers", generator({ create: (index) => index, ratePerSecond: 500 }))
    .keyBy((n) => n % KEYS)
    .actor("count", () => new Count())
    .sinkTo("out", fileSink(`out/${name}`));
  const { state } = await env.execute(name);
  printLine(`${name} ${state}`);
}

await Promise.all([count("first"), count("second")]);
