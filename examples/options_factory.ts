/**
 * Decides about the options of each state of the LSM backend, by an option of its own and by the state's name.
 *
 * Run: deno run --allow-read --allow-write --allow-env examples/options_factory.ts -Dmy.custom.lsm.block.restart-interval=4
 *
 * @module
 */
import process from "node:process";
import {
  consoleSink,
  fromIterable,
  KeyedActor,
  lsmBackend,
  type LsmOptionsFactory,
  StreamEnvironment,
  valueState,
} from "../mod.ts";
import { intOption, type LsmColumnOptions, type Partly, type ReadableConfiguration } from "../state_backend.ts";

const BLOCK_RESTART_INTERVAL = intOption("my.custom.lsm.block.restart-interval", {
  default: 16,
  min: 1,
  description: "Rows of a block between two that are stored with their whole key.",
});

class MyOptions implements LsmOptionsFactory {
  readonly options = [BLOCK_RESTART_INTERVAL];
  #restartInterval = BLOCK_RESTART_INTERVAL.defaultValue;

  configure(configuration: ReadableConfiguration): void {
    this.#restartInterval = configuration.get(BLOCK_RESTART_INTERVAL);
  }

  columnOptions(current: LsmColumnOptions, stateName: string): Partly<LsmColumnOptions> {
    const restartInterval = this.#restartInterval;
    // Long texts are read less often than short counts, and are worth the time that compressing them takes.
    const own: Partly<LsmColumnOptions> = stateName === "longest"
      ? { restartInterval, blockBytes: 4 * current.blockBytes, compressionPerLevel: ["none", "zstd"] }
      : { restartInterval };
    process.stdout.write(`${stateName}: ${JSON.stringify(own)}\n`);
    return own;
  }
}

class Lines extends KeyedActor<number, string, string> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));
  readonly #longest = this.state(valueState<string>("longest", { default: "" }));

  /** Counts the lines of each number of words. */
  override onMessage(line: string): void {
    this.#count.update(this.#count.value() + 1);
    if (line.length > this.#longest.value().length) this.#longest.update(line);
    this.emit(`${this.#count.value()} of ${this.key} words, the longest is "${this.#longest.value()}"`);
  }
}

const env = StreamEnvironment.create({ stateBackend: lsmBackend({ optionsFactory: new MyOptions() }) });
env.fromSource("lines", fromIterable(["the stream is a river", "one two", "a river is a stream", "three four"]))
  .keyBy((line) => line.split(" ").length)
  .actor("line lengths", () => new Lines())
  .sinkTo("out", consoleSink());
await env.execute("options of each state");
