/**
 * What do checkpoints of state on disk cost: records while they wait for the barrier, the disk for an increment, and a
 * restart?
 *
 * Run: deno task bench checkpoint/sync_part, deno task bench checkpoint/incremental_bytes, deno task bench restore/
 *
 * Figures: `medianSyncMs` of 20 synchronous parts; `meanShare`, bytes that a checkpoint has written of the full size, mean
 * over all; `runsPerPointRead`, how many runs of an LSM store are read to find a value, in the mean over all rounds;
 * `restoreOverFresh`, time to restore the last of them over that for a fresh full one; `ownOverMerged`, how many
 * times faster an LSM store links its own files than it merges rows; `verifyMs`, how long it takes to read them in full
 * before, as each job does; `ownOverMergedVerified`, the same with that time on both sides.
 *
 * @module
 */
import { verifyRun } from "../backends/runs/verify_run.ts";
import type { StateBackend } from "../core/backend.ts";
import { valueState } from "../core/descriptors.ts";
import { VOID_NAMESPACE } from "../core/key.ts";
import { bytes } from "../core/serializer.ts";
import { EmbeddedTimerQueue } from "../timers/embedded_timer_queue.ts";
import { CheckpointFolder, type DiskBackend, inTurns, openBackend, type Taken } from "./disk_backend.ts";
import { inFolder } from "./disk_baselines.ts";
import { bench, median, type SeededRandom } from "./harness.ts";

const VALUE = valueState<Uint8Array>("value", { serializer: bytes });
const CAP_BYTES = 64 * 1024 * 1024;
const VALUE_BYTES = 100;

interface Size {
  readonly keys: number;
  readonly rounds: number;
}

function nameOf(key: number): string {
  return `key-${key.toString().padStart(8, "0")}`;
}

/** Writes a new value for `count` keys. */
async function write(
  backend: StateBackend,
  count: number,
  random: SeededRandom,
  keyOf: (i: number) => number,
): Promise<void> {
  const state = backend.state(VALUE);
  await inTurns(backend, count, (i) => {
    backend.setCurrentKey(nameOf(keyOf(i)));
    state.update(Uint8Array.from({ length: VALUE_BYTES }, () => random() * 256));
  });
}

/** Reads the values of `count` of the keys. */
async function read(backend: StateBackend, count: number, random: SeededRandom, keys: number): Promise<void> {
  const state = backend.state(VALUE);
  await inTurns(backend, count, () => {
    const key = nameOf(Math.floor(random() * keys));
    backend.setCurrentKey(key);
    if (state.value()?.length !== VALUE_BYTES) throw new Error(`Cannot find the value of "${key}"`);
  });
}

for (const kind of ["lsm", "lmdb"] as const) {
  bench(`checkpoint/sync_part/${kind}`, {
    smoke: { keys: 1_000, rounds: 3 },
    full: { keys: 1_000_000, rounds: 20 },
    rounds: 1,
    run: ({ keys, rounds }: Size, random) =>
      inFolder(async (folder) => {
        const startMs = performance.now();
        const storage = new CheckpointFolder(folder);
        const { backend } = await openBackend(kind, { capBytes: CAP_BYTES, folder, incremental: true });
        const timers = new EmbeddedTimerQueue({
          name: "timers",
          rows: backend.orderedRows!("timers"),
          maxParallelism: 128,
          keyGroups: { start: 0, end: 127 },
          cacheSize: 128,
        });
        await write(backend, keys, random, (i) => i);
        await inTurns(backend, keys, (i) => {
          timers.add(Math.floor(random() * 600_000), nameOf(i), VOID_NAMESPACE);
        });
        const syncMs: number[] = [];
        for (let id = 1; id <= rounds; id++) {
          await write(backend, keys / 100, random, () => Math.floor(random() * keys));
          const beginMs = performance.now();
          const pending = backend.snapshot({ checkpointId: id, full: false });
          syncMs.push(performance.now() - beginMs);
          await storage.complete(id, pending, backend);
        }
        await backend.close();
        return { ops: rounds, elapsedMs: performance.now() - startMs, figures: { medianSyncMs: median(syncMs) } };
      }),
  });
}

/** Opens a backend over a snapshot and says how long that took, milliseconds. */
async function restoreMs(
  kind: DiskBackend | "heap",
  storage: CheckpointFolder,
  snapshot: Taken,
  { rewriting = false }: { readonly rewriting?: boolean } = {},
): Promise<number> {
  return await inFolder(async (folder) => {
    const startMs = performance.now();
    const { backend } = await openBackend(kind, {
      capBytes: CAP_BYTES,
      folder,
      incremental: true,
      restore: { handle: snapshot.handle, reader: storage.reader(snapshot), rewriting },
    });
    if (!rewriting) backend.state(VALUE); // The heap decodes what it has restored when it is asked for.
    const elapsedMs = performance.now() - startMs;
    await backend.close();
    return elapsedMs;
  });
}

for (const kind of ["lsm", "lmdb", "heap"] as const) {
  bench(`checkpoint/incremental_bytes/${kind}`, {
    smoke: { keys: 1_000, rounds: 3 },
    full: { keys: 500_000, rounds: 100 },
    rounds: 1,
    run: ({ keys, rounds }: Size, random) =>
      inFolder(async (folder) => {
        const startMs = performance.now();
        const storage = new CheckpointFolder(folder);
        const { backend, settle, reads } = await openBackend(kind, { capBytes: CAP_BYTES, folder, incremental: true });
        await write(backend, keys, random, (i) => i);
        let last = await storage.take(1, backend);
        const shares: number[] = [];
        for (let id = 2; id <= rounds + 1; id++) {
          await write(backend, keys / 100, random, () => Math.floor(random() * keys));
          last = await storage.take(id, backend);
          shares.push(last.handle.incrementBytes / last.handle.fullBytes);
          await read(backend, keys / 100, random, keys);
          // In a job there is time between two checkpoints for merges, whose files the next one uploads.
          await settle();
        }
        const { points, runs } = reads();
        const fresh = await storage.take(rounds + 2, backend, { full: true });
        await backend.close();
        const chainMs = await restoreMs(kind, storage, last);
        const freshMs = await restoreMs(kind, storage, fresh);
        return {
          ops: rounds,
          elapsedMs: performance.now() - startMs,
          figures: {
            meanShare: shares.reduce((sum, share) => sum + share, 0) / shares.length,
            runs: last.handle.runs.length,
            ...(kind === "lsm" && { runsPerPointRead: runs / points }),
            restoreMs: chainMs,
            restoreOverFresh: chainMs / freshMs,
          },
        };
      }),
  });
}

/** Reads all files of a snapshot, as a job does before it restores it; milliseconds. */
async function verifyMs(storage: CheckpointFolder, snapshot: Taken): Promise<number> {
  const startMs = performance.now();
  const reader = storage.reader(snapshot);
  for (const run of snapshot.handle.runs) {
    const input = await reader.open(run.file);
    verifyRun(input, run);
    input.close();
  }
  return performance.now() - startMs;
}

bench("restore/lsm/own", {
  smoke: { keys: 1_000, rounds: 1 },
  full: { keys: 1_000_000, rounds: 3 },
  rounds: 1,
  run: ({ keys, rounds }: Size, random) =>
    inFolder(async (folder) => {
      const storage = new CheckpointFolder(folder);
      const { backend } = await openBackend("lsm", { capBytes: CAP_BYTES, folder, incremental: true });
      await write(backend, keys, random, (i) => i);
      const taken = await storage.take(1, backend);
      await backend.close();
      const own: number[] = [];
      const merged: number[] = [];
      const verified: number[] = [];
      for (let round = 0; round < rounds; round++) {
        own.push(await restoreMs("lsm", storage, taken));
        merged.push(await restoreMs("lsm", storage, taken, { rewriting: true }));
        verified.push(await verifyMs(storage, taken));
      }
      return {
        ops: keys,
        elapsedMs: median(own),
        figures: {
          ownMs: median(own),
          ownOverMerged: median(merged) / median(own),
          verifyMs: median(verified),
          ownOverMergedVerified: (median(merged) + median(verified)) / (median(own) + median(verified)),
        },
      };
    }),
});
