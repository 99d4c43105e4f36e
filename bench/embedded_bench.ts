/**
 * What does keyed state on disk cost, when it does not fit into the memory that it may take?
 *
 * Run: deno task bench lsm, deno task bench lmdb
 *
 * Every bench loads all keys, waits until everything is flushed and compacted, and stops its clock only when the flushes
 * and compactions that it has caused are done as well. Values are 100 random bytes, the cap is 64 MiB a slot.
 *
 * @module
 */
import { NATIVE_METRICS } from "../backends/lsm/options.ts";
import type { StateBackend } from "../core/backend.ts";
import { listState, mapState, valueState } from "../core/descriptors.ts";
import { bytes } from "../core/serializer.ts";
import { withClassicLevel, withLmdb } from "./disk_baselines.ts";
import { type DiskBackend, inTurns, withBackend } from "./disk_backend.ts";
import { bench, type Run, type SeededRandom } from "./harness.ts";

const VALUE = valueState<Uint8Array>("value", { serializer: bytes });
const ITEMS = listState<Uint8Array>("items", { serializer: bytes });
const ENTRIES = mapState<string, Uint8Array>("entries", { serializer: bytes });
const VALUE_BYTES = 100;
const CAP_BYTES = 64 * 1024 * 1024;
const PER_TRANSACTION = 10_000;

interface Accesses {
  readonly keys: number;
  readonly ops: number;
}

const SMOKE: Accesses = { keys: 200, ops: 1_000 };
const FULL: Accesses = { keys: 1_000_000, ops: 3_000_000 };

function namesOf(keys: number): string[] {
  return Array.from({ length: keys }, (_, i) => `key-${i.toString().padStart(8, "0")}`);
}

function randomBytes(random: SeededRandom): Uint8Array {
  const value = new Uint8Array(VALUE_BYTES);
  for (let i = 0; i < VALUE_BYTES; i++) value[i] = random() * 256;
  return value;
}

/** Number of the key of each access. */
function uniform({ keys, ops }: Accesses, random: SeededRandom): Uint32Array {
  return Uint32Array.from({ length: ops }, () => Math.floor(random() * keys));
}

/** The same, key number k (shuffled) with a probability proportional to (k + 1) ** -s. */
function zipf({ keys, ops }: Accesses, random: SeededRandom, s = 1.1): Uint32Array {
  const sums = new Float64Array(keys);
  for (let k = 0, sum = 0; k < keys; k++) sums[k] = sum += (k + 1) ** -s;
  const shuffled = Uint32Array.from({ length: keys }, (_, k) => k);
  for (let k = keys - 1; k > 0; k--) {
    const other = Math.floor(random() * (k + 1));
    [shuffled[k], shuffled[other]] = [shuffled[other]!, shuffled[k]!];
  }
  return Uint32Array.from({ length: ops }, () => {
    const wanted = random() * sums[keys - 1]!;
    let low = 0;
    for (let high = keys - 1; low < high;) {
      const middle = (low + high) >>> 1;
      if (sums[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return shuffled[low]!;
  });
}

/** The same for subject and baseline, made before a clock runs. */
function accesses(params: Accesses, random: SeededRandom, draw: typeof uniform) {
  return { names: namesOf(params.keys), value: randomBytes(random), drawn: draw(params, random) };
}

/** Reads, changes and writes a value for each access. */
function readModifyWrite(kind: DiskBackend, draw: typeof uniform, metrics: readonly string[] = []) {
  return async (params: Accesses, random: SeededRandom): Promise<Run> => {
    const { names, value, drawn } = accesses(params, random, draw);
    const run = async (backend: StateBackend, settle: () => Promise<void>): Promise<Run> => {
      const state = backend.state(VALUE);
      await inTurns(backend, params.keys, (i) => {
        backend.setCurrentKey(names[i]!);
        state.update(value);
      });
      await settle();
      const startMs = performance.now();
      let checksum = 0;
      await inTurns(backend, params.ops, (i) => {
        backend.setCurrentKey(names[drawn[i]!]!);
        const current = state.value()!;
        checksum += ++current[0]!;
        state.update(current);
      });
      await settle();
      return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
    };
    return await withBackend(kind, CAP_BYTES, run, metrics);
  };
}

async function lmdbDirectly(params: Accesses, random: SeededRandom): Promise<Run> {
  const { names, value, drawn } = accesses(params, random, uniform);
  return await withLmdb((database) => {
    database.inTransactions(params.keys, PER_TRANSACTION, (i) => database.put(names[i]!, value));
    const startMs = performance.now();
    let checksum = 0;
    database.inTransactions(params.ops, PER_TRANSACTION, (i) => {
      const name = names[drawn[i]!]!;
      const current = database.get(name)!;
      checksum += ++current[0]!;
      database.put(name, current);
    });
    return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
  });
}

for (const kind of ["lsm", "lmdb"] as const) {
  bench(`value_state/rmw/${kind}/uniform`, {
    smoke: SMOKE,
    full: FULL,
    rounds: 1,
    against: "lmdb-js itself, 10,000 operations a transaction, without sync",
    run: readModifyWrite(kind, uniform),
    baseline: lmdbDirectly,
  });
}

bench("value_state/rmw/lsm/native_metrics", {
  smoke: SMOKE,
  full: { keys: 300_000, ops: 1_000_000 },
  rounds: 5,
  against: "the same without metrics",
  run: readModifyWrite("lsm", uniform, NATIVE_METRICS.map(({ name }) => name)),
  baseline: readModifyWrite("lsm", uniform),
});

bench("value_state/rmw/lsm/zipf", {
  smoke: SMOKE,
  full: FULL,
  rounds: 1,
  against: "a bare loop over a Map",
  run: readModifyWrite("lsm", zipf),
  baseline(params, random) {
    const { names, value, drawn } = accesses(params, random, zipf);
    const values = new Map<string, Uint8Array>();
    for (const name of names) values.set(name, value.slice());
    const startMs = performance.now();
    let checksum = 0;
    for (let i = 0; i < drawn.length; i++) {
      const name = names[drawn[i]!]!;
      const current = values.get(name)!;
      checksum += ++current[0]!;
      values.set(name, current);
    }
    return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
  },
});

bench("value_state/get/lsm/cached", {
  smoke: SMOKE,
  full: { keys: 100_000, ops: 3_000_000 },
  rounds: 3,
  against: "classic-level's getSync",
  async run(params: Accesses, random) {
    const { names, value, drawn } = accesses(params, random, uniform);
    return await withBackend("lsm", CAP_BYTES, async (backend, settle) => {
      const state = backend.state(VALUE);
      await inTurns(backend, params.keys, (i) => {
        backend.setCurrentKey(names[i]!);
        state.update(value);
      });
      await settle();
      let checksum = 0;
      const startMs = performance.now();
      await inTurns(backend, params.ops, (i) => {
        backend.setCurrentKey(names[drawn[i]!]!);
        checksum += state.value()![i % VALUE_BYTES]!;
      });
      return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
    });
  },
  async baseline(params, random) {
    const { names, value, drawn } = accesses(params, random, uniform);
    return await withClassicLevel(async (database) => {
      for (let i = 0; i < names.length; i += PER_TRANSACTION) {
        const batch = database.batch();
        for (const name of names.slice(i, i + PER_TRANSACTION)) batch.put(name, value);
        await batch.write();
      }
      await database.compactRange(names[0]!, names.at(-1)!);
      let checksum = 0;
      const startMs = performance.now();
      for (let i = 0; i < drawn.length; i++) checksum += database.getSync(names[drawn[i]!]!)![i % VALUE_BYTES]!;
      return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
    });
  },
});

bench("list_state/add/lsm", {
  smoke: SMOKE,
  full: { keys: 100_000, ops: 3_000_000 },
  rounds: 1,
  against: "lmdb-js itself, an entry for each element, 10,000 operations a transaction, without sync",
  async run(params: Accesses, random) {
    const { names, value, drawn } = accesses(params, random, uniform);
    return await withBackend("lsm", CAP_BYTES, async (backend, settle) => {
      const state = backend.state(ITEMS);
      const startMs = performance.now();
      await inTurns(backend, params.ops, (i) => {
        backend.setCurrentKey(names[drawn[i]!]!);
        state.add(value);
      });
      await settle();
      return { ops: params.ops, checksum: params.ops, elapsedMs: performance.now() - startMs };
    });
  },
  async baseline(params, random) {
    const { names, value, drawn } = accesses(params, random, uniform);
    return await withLmdb((database) => {
      const startMs = performance.now();
      database.inTransactions(params.ops, PER_TRANSACTION, (i) => database.put([names[drawn[i]!]!, i], value));
      return { ops: params.ops, checksum: params.ops, elapsedMs: performance.now() - startMs };
    });
  },
});

interface Maps {
  readonly maps: number;
  readonly entries: number;
  readonly walks: number;
}

for (
  const [size, full] of [[10, { maps: 50_000, entries: 10, walks: 300_000 }], [1_000, {
    maps: 500,
    entries: 1_000,
    walks: 3_000,
  }]] as const
) {
  bench(`map_state/iterate/lsm/of_${size}`, {
    smoke: { maps: 5, entries: size, walks: 20 },
    full,
    rounds: 3,
    against: "lmdb-js itself, getRange",
    async run(params: Maps, random) {
      const names = namesOf(params.maps);
      const fields = namesOf(params.entries);
      const value = randomBytes(random);
      return await withBackend("lsm", CAP_BYTES, async (backend, settle) => {
        const state = backend.state(ENTRIES);
        await inTurns(backend, params.maps, (i) => {
          backend.setCurrentKey(names[i]!);
          for (const field of fields) state.set(field, value);
        });
        await settle();
        let checksum = 0;
        const startMs = performance.now();
        await inTurns(backend, params.walks, () => {
          backend.setCurrentKey(names[Math.floor(random() * params.maps)]!);
          for (const [field, found] of state) checksum += found[0]! + field.length;
        });
        return { ops: params.walks * params.entries, checksum, elapsedMs: performance.now() - startMs };
      });
    },
    async baseline(params, random) {
      const names = namesOf(params.maps);
      const fields = namesOf(params.entries);
      const value = randomBytes(random);
      return await withLmdb((database) => {
        database.inTransactions(params.maps, 100, (i) => {
          for (const field of fields) database.put([names[i]!, field], value);
        });
        let checksum = 0;
        const startMs = performance.now();
        for (let walk = 0; walk < params.walks; walk++) {
          const name = names[Math.floor(random() * params.maps)]!;
          for (const { key, value: found } of database.range([name], [name, "\uffff"])) {
            checksum += found[0]! + key[1]!.length;
          }
        }
        return { ops: params.walks * params.entries, checksum, elapsedMs: performance.now() - startMs };
      });
    },
  });
}
