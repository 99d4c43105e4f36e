/**
 * What do a key's bytes and its key group cost per record?
 *
 *     deno task bench core/
 *
 * @module
 */
import { ByteWriter } from "../core/bytes.ts";
import { writeKey } from "../core/key.ts";
import { keyGroupOf } from "../core/key_groups.ts";
import { bench, type SeededRandom } from "./harness.ts";

interface KeyLoad {
  /** Distinct keys. */
  readonly keys: number;
  readonly ops: number;
}

const SIZES = { smoke: { keys: 100, ops: 1_000 }, full: { keys: 100_000, ops: 5_000_000 } };
const MAX_PARALLELISM = 128;

/** ASCII keys of 12 characters, and the order in which they are asked for. */
function load({ keys, ops }: KeyLoad, random: SeededRandom): { names: string[]; order: Uint32Array } {
  const names = Array.from({ length: keys }, () => `key-${Math.floor(random() * 1e8).toString().padStart(8, "0")}`);
  const order = Uint32Array.from({ length: ops }, () => Math.floor(random() * keys));
  return { names, order };
}

bench<KeyLoad>("core/write_key/string", {
  ...SIZES,
  against: "a loop over charCodeAt into a Uint8Array",
  run(params, random) {
    const { names, order } = load(params, random);
    const out = new ByteWriter(64);
    let checksum = 0;
    const start = performance.now();
    for (const index of order) {
      out.reset();
      writeKey(out, names[index]!);
      checksum = (checksum + out.length * out.buffer[out.length - 3]!) | 0;
    }
    return { ops: order.length, checksum, elapsedMs: performance.now() - start };
  },
  baseline(params, random) {
    const { names, order } = load(params, random);
    const bytes = new Uint8Array(64);
    let checksum = 0;
    const start = performance.now();
    for (const index of order) {
      const name = names[index]!;
      let length = 0;
      bytes[length++] = 0x40;
      for (let i = 0; i < name.length; i++) bytes[length++] = name.charCodeAt(i);
      bytes[length++] = 0;
      bytes[length++] = 0;
      checksum = (checksum + length * bytes[length - 3]!) | 0;
    }
    return { ops: order.length, checksum, elapsedMs: performance.now() - start };
  },
});

bench<KeyLoad>("core/key_group_of/string", {
  ...SIZES,
  against: "remembering each key's group in a Map",
  run(params, random) {
    const { names, order } = load(params, random);
    let checksum = 0;
    const start = performance.now();
    for (const index of order) checksum = (Math.imul(checksum, 31) + keyGroupOf(names[index]!, MAX_PARALLELISM)) | 0;
    return { ops: order.length, checksum, elapsedMs: performance.now() - start };
  },
  baseline(params, random) {
    const { names, order } = load(params, random);
    const groups = new Map(names.map((name) => [name, keyGroupOf(name, MAX_PARALLELISM)]));
    let checksum = 0;
    const start = performance.now();
    for (const index of order) checksum = (Math.imul(checksum, 31) + groups.get(names[index]!)!) | 0;
    return { ops: order.length, checksum, elapsedMs: performance.now() - start };
  },
});
