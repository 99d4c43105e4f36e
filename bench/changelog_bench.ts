/**
 * What does a changelog make of checkpoints and of throughput? Two backends on disk side by side, one with a changelog,
 * both with increments. A fifth of the keys is written, in turns as in a job, then a checkpoint is triggered, beside which
 * the next fifth is written; the one after that waits until it is durable.
 *
 * Run: deno task bench checkpoint/changelog
 *
 * Figures: `plain…` without a changelog, `logged…` with one; `P50Ms` and `P99Ms`, from trigger to durable metadata;
 * `UsPerWrite`, of the whole, waiting for checkpoints included; the ratios are with over without.
 *
 * @module
 */
import type { StateBackend } from "../core/backend.ts";
import { valueState } from "../core/descriptors.ts";
import { bytes } from "../core/serializer.ts";
import { CheckpointFolder, inTurns, openBackend } from "./disk_backend.ts";
import { inFolder } from "./disk_baselines.ts";
import { bench } from "./harness.ts";

const VALUE = valueState<Uint8Array>("value", { serializer: bytes });
const CAP_BYTES = 128 * 1024 * 1024;
const VALUE_BYTES = 100;
/** Checkpoints in a row of one, before it is the other's turn. */
const ROUNDS_AT_ONCE = 6;

interface Size {
  readonly keys: number;
  readonly rounds: number;
}

/** One of the two, and what was measured. */
interface Contestant {
  readonly backend: StateBackend;
  readonly storage: CheckpointFolder;
  readonly checkpointMs: number[];
  elapsedMs: number;
  incrementBytes: number;
}

async function write(backend: StateBackend, count: number, keyOf: (i: number) => number, round: number): Promise<void> {
  const state = backend.state(VALUE);
  const value = new Uint8Array(VALUE_BYTES).fill(round);
  await inTurns(backend, count, (i) => {
    backend.setCurrentKey(`key-${keyOf(i).toString().padStart(8, "0")}`);
    state.update(value);
  });
}

async function checkpoint(one: Contestant, id: number): Promise<void> {
  const startMs = performance.now();
  const { handle } = await one.storage.take(id, one.backend);
  one.checkpointMs.push(performance.now() - startMs);
  one.incrementBytes += handle.incrementBytes;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
}

for (const kind of ["lsm", "lmdb"] as const) {
  bench(`checkpoint/changelog/${kind}`, {
    smoke: { keys: 2_000, rounds: 3 },
    full: { keys: 1_000_000, rounds: 30 },
    rounds: 1,
    run: ({ keys, rounds }: Size, random) =>
      inFolder(async (folder) => {
        const startMs = performance.now();
        const open = async (name: string, isLogged: boolean): Promise<Contestant> => {
          const storage = new CheckpointFolder(`${folder}/${name}`);
          const { backend } = await openBackend(kind, {
            capBytes: CAP_BYTES,
            folder: `${folder}/${name}`,
            incremental: true,
            ...(isLogged && { changelog: storage }),
          });
          await write(backend, keys, (i) => i, 0);
          const made = { backend, storage, checkpointMs: [], elapsedMs: 0, incrementBytes: 0 };
          await storage.take(1, backend);
          return made;
        };
        const plain = await open("plain", false);
        const logged = await open("logged", true);
        const series = Math.max(1, rounds / ROUNDS_AT_ONCE);
        for (let part = 0; part < series; part++) {
          for (const one of part % 2 === 0 ? [plain, logged] : [logged, plain]) {
            const beginMs = performance.now();
            let taking: Promise<void> = Promise.resolve();
            for (let round = 1; round <= rounds / series; round++) {
              await write(one.backend, keys / 5, () => Math.floor(random() * keys), round);
              await taking;
              taking = checkpoint(one, 1 + part * rounds + round);
            }
            await taking;
            one.elapsedMs += performance.now() - beginMs;
          }
        }
        for (const { backend } of [plain, logged]) await backend.close();
        const [plainP99, loggedP99] = [quantile(plain.checkpointMs, 0.99), quantile(logged.checkpointMs, 0.99)];
        return {
          ops: rounds,
          elapsedMs: performance.now() - startMs,
          figures: {
            plainP50Ms: quantile(plain.checkpointMs, 0.5),
            plainP99Ms: plainP99,
            loggedP50Ms: quantile(logged.checkpointMs, 0.5),
            loggedP99Ms: loggedP99,
            p99Ratio: loggedP99 / plainP99,
            throughputRatio: plain.elapsedMs / logged.elapsedMs,
            plainUsPerWrite: plain.elapsedMs * 1000 / (rounds * keys / 5),
            loggedUsPerWrite: logged.elapsedMs * 1000 / (rounds * keys / 5),
            writtenRatio: logged.incrementBytes / plain.incrementBytes,
          },
        };
      }),
  });
}
