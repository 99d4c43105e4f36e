/** Runs in local files: written as snapshots are, byte for byte; failures of the disk; compression; the bloom filter. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { BloomBuilder, bloomMayHold } from "../../backends/runs/bloom_filter.ts";
import { LocalRunWriter } from "../../backends/runs/local_run_writer.ts";
import { rowHash } from "../../backends/runs/row_hash.ts";
import { PUT, type RunState } from "../../backends/runs/run_format.ts";
import { RunWriter } from "../../backends/runs/run_writer.ts";
import { StreamError } from "../../core/errors.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { MemorySnapshots } from "../support/memory_snapshot_store.ts";

const STATES: readonly RunState[] = [
  { id: 1, name: "count", kind: "value", serializerId: "f64", serializerVersion: 1, schemaVersion: 1, flags: 0 },
];

/** Row `i`, without key group. */
function row(i: number): Uint8Array {
  return Uint8Array.from([
    0,
    1,
    0x20,
    0x80,
    i >> 16,
    (i >> 8) & 0xff,
    i & 0xff,
    0,
    0,
    0,
    0,
    2,
    ...new Array(60).fill(i & 7),
  ]);
}

const KEY_BYTES = 12;

function fileSystem(): MemoryFileSystem {
  const files = new MemoryFileSystem();
  files.put("work/other", "");
  return files;
}

for (const compression of ["none", "zstd"] as const) {
  test(`LocalRunWriter writes what RunWriter writes, compression ${compression}`, async () => {
    const options = { blockBytes: 4096, bloomBitsPerKey: 10, compression, states: STATES };
    const snapshots = new MemorySnapshots();
    const files = fileSystem();
    const remote = new RunWriter(await snapshots.create("exclusive"), options);
    const local = new LocalRunWriter(files.createSync("work/a.run", "exclusive"), options);
    for (let i = 0; i < 20_000; i++) {
      const bytes = row(i);
      remote.add(i >> 10, PUT, bytes, 0, KEY_BYTES, bytes.length);
      local.add(i >> 10, PUT, bytes, 0, KEY_BYTES, bytes.length);
      if (remote.wantsFlush) await remote.flush();
    }
    const expected = await remote.finish(STATES);
    const written = local.finish();
    equal(files.openCount, 0);
    deepEqual(files.content("work/a.run"), snapshots.files.get("run-0"));
    deepEqual(written, {
      sizeBytes: expected.file.sizeBytes,
      rowCount: 20_000,
      footerCrc32: expected.footerCrc32,
    });
    local.abandon();
  });
}

test("LocalRunWriter tells a full disk with the file's name, and closes the file", () => {
  const files = fileSystem();
  files.fail({ operation: "write", code: "ENOSPC", times: Number.POSITIVE_INFINITY });
  const writer = new LocalRunWriter(files.createSync("work/a.run", "exclusive"), { states: STATES });
  const bytes = row(1);
  writer.add(1, PUT, bytes, 0, KEY_BYTES, bytes.length);
  throws(() => writer.finish(), (error) => {
    ok(error instanceof StreamError && error.kind === "unavailable");
    ok(/"work\/a.run".*disk is full/.test(error.message), error.message);
    return true;
  });
  equal(files.openCount, 0);
  writer.abandon();
});

test("LocalRunWriter closes an abandoned file, and refuses a row of an unknown state when it makes a filter", () => {
  const files = fileSystem();
  const writer = new LocalRunWriter(files.createSync("work/a.run", "exclusive"), { states: [], bloomBitsPerKey: 10 });
  throws(() => writer.add(1, PUT, row(1), 0, KEY_BYTES, KEY_BYTES), /state 1 is not in its state table/);
  writer.abandon();
  writer.abandon();
  equal(files.openCount, 0);
});

for (const [bitsPerKey, atMost] of [[6, 0.09], [10, 0.02], [16, 0.004]] as const) {
  test(`a filter of ${bitsPerKey} bits a key holds all that was added, and lets at most ${atMost} of the rest through`, () => {
    const builder = new BloomBuilder(bitsPerKey);
    const key = new Uint8Array(12);
    const hashOf = (i: number): number => {
      new DataView(key.buffer).setUint32(8, i);
      return rowHash(key, 0, key.length);
    };
    const count = 50_000;
    for (let i = 0; i < count; i++) builder.add(hashOf(i));
    const filter = builder.build();
    ok(filter.length * 8 < count * bitsPerKey * 1.01 + 512, `${filter.length} bytes`);
    for (let i = 0; i < count; i++) ok(bloomMayHold(filter, builder.probes, hashOf(i)));
    let wrong = 0;
    for (let i = count; i < count * 5; i++) if (bloomMayHold(filter, builder.probes, hashOf(i))) wrong++;
    const rate = wrong / (count * 4);
    ok(rate < atMost, `${rate}`);
  });
}
