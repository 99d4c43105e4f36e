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
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { callbackSink, generator, KeyedActor, StreamEnvironment, valueState } from "../mod.ts";
import { bytes } from "../core/serializer.ts";
import { seededRandom } from "./harness.ts";

const [kind, keyText, changeText, folder] = process.argv.slice(2) as [string, string, string, string]; // memory_bench.ts gives four
const keys = Number(keyText);
const random = seededRandom(7);
/** Records between two looks at the memory. */
const LOOK_INTERVAL = 2_000;

/** The texts of 0..9999, four digits each. */
const QUADS = Array.from({ length: 10_000 }, (_, i) => String(i).padStart(4, "0"));

/** Not by `String(key)`: V8 keeps the last texts of numbers, the more of them the more numbers there are. */
function nameOf(key: number): string {
  return `key-${QUADS[Math.floor(key / 10_000)]}${QUADS[key % 10_000]}`;
}

let peakAnonymousBytes = 0;
let diskBytes = 0;

/** A figure of this process; where there is no /proc, all that it holds. */
function statusBytes(name: string): number {
  if (!existsSync("/proc/self/status")) return process.memoryUsage().rss;
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8"));
  return Number(line?.[1] ?? 0) * 1024;
}

/** What the files take on disk: an LMDB file may have holes. */
function bytesIn(path: string): number {
  let sum = 0;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    // A file may be removed meanwhile.
    sum += entry.isDirectory() ? bytesIn(child) : (statSync(child, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  }
  return sum;
}

function look(): void {
  peakAnonymousBytes = Math.max(peakAnonymousBytes, statusBytes("RssAnon"));
}

class Keeper extends KeyedActor<string, string, never> {
  readonly #value = this.state(valueState<Uint8Array>("value", { serializer: bytes }));
  readonly #fresh = new Uint8Array(100);
  #seen = 0;

  override onMessage(): void {
    const value = this.#value.value() ?? this.#fill();
    value[0]!++;
    this.#value.update(value);
    if (++this.#seen % LOOK_INTERVAL === 0) look();
    if (this.#seen === keys) diskBytes = bytesIn(folder);
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
look();
const peakBytes = statusBytes("VmHWM");
process.stdout.write(`${JSON.stringify({ peakBytes, peakAnonymousBytes, diskBytes })}\n`);
