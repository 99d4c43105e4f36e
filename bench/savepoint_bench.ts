/**
 * What does a savepoint cost beside a plain full checkpoint of the same state?
 *
 * Run: deno task bench savepoint/
 *
 * Figures, medians over the rounds, nothing else going on: `savepointMs`, from its synchronous part to its last durable
 * byte; `savepointBytes`; `checkpointMs` and `checkpointBytes`, the same of a full checkpoint, which a backend writes in
 * the form that suits it best; `overCheckpoint`, how many times longer a savepoint takes.
 *
 * @module
 */
import type { StateBackend } from "../core/backend.ts";
import { listState, valueState } from "../core/descriptors.ts";
import { bytes } from "../core/serializer.ts";
import { CheckpointFolder, type DiskBackend, inTurns, openBackend } from "./disk_backend.ts";
import { inFolder } from "./disk_baselines.ts";
import { bench, median, type SeededRandom } from "./harness.ts";

const VALUE = valueState<Uint8Array>("value", { serializer: bytes });
const LIST = listState<number>("list");
const CAP_BYTES = 64 * 1024 * 1024;
const VALUE_BYTES = 100;

interface Size {
  readonly keys: number;
  readonly rounds: number;
}

/** Writes a value for each key and, of every tenth, a list of two: under names that are not in the order of their ids. */
async function fill(backend: StateBackend, keys: number, random: SeededRandom): Promise<void> {
  const value = backend.state(VALUE);
  const list = backend.state(LIST);
  await inTurns(backend, keys, (i) => {
    backend.setCurrentKey(`key-${i.toString().padStart(8, "0")}`);
    value.update(Uint8Array.from({ length: VALUE_BYTES }, () => random() * 256));
    if (i % 10 === 0) list.addAll([i, -i]);
  });
}

function register(kind: DiskBackend | "heap", canonical: boolean): void {
  bench<Size>(`savepoint/${canonical ? "canonical" : "native"}/${kind}`, {
    smoke: { keys: 1_000, rounds: 1 },
    full: { keys: 1_000_000, rounds: 5 },
    rounds: 1,
    run: ({ keys, rounds }, random) =>
      inFolder(async (folder) => {
        const storage = new CheckpointFolder(folder);
        const { backend, settle } = await openBackend(kind, { capBytes: CAP_BYTES, folder, incremental: true });
        await fill(backend, keys, random);
        await settle();
        const savepoints: number[] = [];
        const checkpoints: number[] = [];
        let [savepointBytes, checkpointBytes] = [0, 0];
        for (let round = 0; round < rounds; round++) {
          let startMs = performance.now();
          savepointBytes = (await storage.take(2 * round + 1, backend, { full: true, canonical })).handle.fullBytes;
          savepoints.push(performance.now() - startMs);
          startMs = performance.now();
          checkpointBytes = (await storage.take(2 * round + 2, backend, { full: true })).handle.fullBytes;
          checkpoints.push(performance.now() - startMs);
        }
        await backend.close();
        const [savepointMs, checkpointMs] = [median(savepoints), median(checkpoints)];
        const overCheckpoint = savepointMs / checkpointMs;
        return {
          ops: keys,
          elapsedMs: savepointMs,
          figures: { savepointMs, savepointBytes, checkpointMs, checkpointBytes, overCheckpoint },
        };
      }),
  });
}

for (const kind of ["heap", "lsm", "lmdb"] as const) register(kind, true);
register("lsm", false);
