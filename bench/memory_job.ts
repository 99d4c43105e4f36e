/**
 * The job whose memory is measured: fills keyed state on disk with `keys` values of 100 random bytes, then changes values
 * at random; prints the most memory that it has held, as one JSON line.
 *
 *     deno run … bench/memory_job.ts <lsm | lmdb> <keys> <changes> <folder>
 *
 * Called by: bench/memory_bench.ts, as a process of its own.
 * Calls: mod.ts.
 *
 * @module
 */
import process from "node:process";
import { callbackSink, generator, KeyedActor, StreamEnvironment, valueState } from "../mod.ts";
import { bytes } from "../core/serializer.ts";
import { seededRandom } from "./harness.ts";
import { MemoryWatch, nameOf } from "./held_memory.ts";

const [kind, keyText, changeText, folder] = process.argv.slice(2) as [string, string, string, string]; // memory_bench.ts gives four
const keys = Number(keyText);
const random = seededRandom(7);
const watch = new MemoryWatch(folder);
/** Records between two looks at the memory. */
const LOOK_INTERVAL = 2_000;

class Keeper extends KeyedActor<string, string, never> {
  readonly #value = this.state(valueState<Uint8Array>("value", { serializer: bytes }));
  readonly #fresh = new Uint8Array(100);
  #seen = 0;

  override onMessage(): void {
    const value = this.#value.value() ?? this.#fill();
    value[0]!++;
    this.#value.update(value);
    if (++this.#seen % LOOK_INTERVAL === 0) watch.look();
    if (this.#seen === keys) watch.lookAtDisk();
  }

  /** Random bytes in an array that is used again: what is written is copied, and the bench's garbage is not measured. */
  #fill(): Uint8Array {
    const fresh = this.#fresh;
    for (let i = 0; i < fresh.length; i++) fresh[i] = random() * 256;
    return fresh;
  }
}

const env = StreamEnvironment.create({
  argv: [],
  config: {
    "state.backend.type": kind,
    [`state.backend.${kind}.memory.fixed-per-slot`]: "64mb",
    [`state.backend.${kind}.localdir`]: folder,
  },
});
env.fromSource(
  "keys",
  generator({
    count: keys + Number(changeText),
    create: (i) => nameOf(i < keys ? i : Math.floor(random() * keys)),
  }),
)
  .keyBy((key) => key)
  .actor("keeper", () => new Keeper())
  .sinkTo("nowhere", callbackSink(() => {}));
await env.execute("memory");
watch.print();
