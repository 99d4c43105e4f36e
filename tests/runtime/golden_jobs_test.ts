/**
 * Jobs go on from checkpoints and savepoints of earlier versions: those in tests/golden were written by the code of metadata
 * version 1, before savepoints, and of version 2.
 */
import { deepEqual, equal } from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { collectSink, type DataStream, type StreamEnvironment, watermarks } from "../../mod.ts";
import { BACKEND_KINDS, type BackendKind } from "../support/backend_kinds.ts";
import { BEFORE, expectedAfter, RECORDS, timeOf, WAKE_MS, windowsOf } from "../support/golden_job.ts";
import { tallied } from "../support/golden_tally.ts";
import { TestWorld } from "../support/job_harness.ts";
import type { MemoryFileSystem } from "../support/memory_file_system.ts";
import { ValveSource } from "./engine_harness.ts";

const GOLDEN = fileURLToPath(new URL("../golden/", import.meta.url));
/** Folders of tests/golden, by what was written and by which version of metadata. */
const SNAPSHOTS = readdirSync(GOLDEN).filter((name) => name.startsWith("job_")).sort();

/** Copies a folder of the real disk. */
async function copy(from: string, files: MemoryFileSystem, to: string): Promise<void> {
  await files.makeDirectory(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      await copy(`${from}/${entry.name}`, files, `${to}/${entry.name}`);
      continue;
    }
    const file = await files.create(`${to}/${entry.name}`, "exclusive");
    await file.write(readFileSync(`${from}/${entry.name}`));
    await file.sync();
    await file.close();
  }
}

/** What a job emits that goes on from the snapshot, and what its step without a key has found in it. */
async function goOn(snapshot: string, { options }: BackendKind): Promise<{ lines: string[]; found: string[] }> {
  const world = new TestWorld({
    ...options.config,
    "execution.checkpointing.interval": "1 d",
    "pipeline.auto-watermark-interval": 0,
  });
  const path = snapshot.endsWith("_checkpoint") ? "/golden/chk-2" : "/golden";
  await copy(GOLDEN + snapshot, world.fileSystem, "/golden");
  const lines: string[] = [];
  const found: string[] = [];
  const source = new ValveSource([Array.from({ length: RECORDS }, (_, n) => n)]);
  const hasTally = snapshot.startsWith("job_v2");
  const process = await world.start((env: StreamEnvironment) => {
    const numbers: DataStream<number> = env.fromSource("numbers", source, watermarks(timeOf));
    windowsOf(hasTally ? tallied(numbers, (line) => found.push(line)) : numbers).map((line) => {
      lines.push(line);
      return line;
    }).sinkTo("out", collectSink<string>());
  }, { ...options, argv: ["--from", path] });
  // The timers of processing time were set by the first run; nothing is read before they have fired.
  await process.forMs(2 * WAKE_MS);
  equal(source.recordsRead, 0);
  source.finish();
  const outcome = await process.end();
  if (outcome.kind !== "ended") throw new Error(`the job has ${outcome.kind}`, { cause: outcome });
  equal(outcome.result.state, "finished");
  equal(source.recordsRead, RECORDS - BEFORE);
  return { lines, found };
}

for (const backend of BACKEND_KINDS) {
  test(`state and timers of earlier versions are all there, each once, on ${backend.name} [262] [263]`, async () => {
    equal(SNAPSHOTS.length, 10);
    for (const snapshot of SNAPSHOTS) {
      const { lines, found } = await goOn(snapshot, backend);
      deepEqual([snapshot, ...lines.toSorted()], [snapshot, ...expectedAfter()]);
      deepEqual(
        found,
        snapshot.startsWith("job_v2")
          ? ["tens 0,10,20,30,40,50 largest 54 digits 0:50,1:51,2:52,3:53,4:54,5:45,6:46,7:47,8:48,9:49"]
          : [],
        snapshot,
      );
    }
  });
}
