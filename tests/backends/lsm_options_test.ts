import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import {
  areEqualColumns,
  type ColumnOptions,
  columnOptions,
  compressionOf,
  DEFAULT_COLUMN_OPTIONS,
  DEFAULT_STORE_OPTIONS,
  type StoreOptions,
  storeOptions,
} from "../../backends/lsm/column_options.ts";
import { bufferNotice, configuredLsm } from "../../backends/lsm/configured_lsm.ts";
import { LSM_OPTIONS, LSM_PROFILE, type LsmProfileName } from "../../backends/lsm/options.ts";
import { asOptionsFactory, type LsmOptionsFactory } from "../../backends/lsm/options_factory.ts";
import { isMemoryShared } from "../../backends/embedded/memory_settings.ts";
import { listEmbeddedOptions, LSM_EMBEDDED_OPTIONS } from "../../backends/embedded/options.ts";
import { Configuration } from "../../core/config.ts";
import { intOption } from "../../core/config_option.ts";
import { lsmBackend } from "../../mod.ts";

const KIB = 1024;
const MIB = 1024 ** 2;
const SLOT = { bytes: 128 * MIB, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };

type Entries = Readonly<Record<string, unknown>>;

function configured(entries: Entries): Configuration {
  const configuration = Configuration.of(entries);
  configuration.checkKnown([...LSM_OPTIONS, ...listEmbeddedOptions(LSM_EMBEDDED_OPTIONS)]);
  return configuration;
}

function lsm(suffixes: Entries, prefix = "state.backend.lsm."): Configuration {
  return configured(Object.fromEntries(Object.entries(suffixes).map(([suffix, value]) => [prefix + suffix, value])));
}

test("configuredLsm() reads back the defaults [265]", () => {
  const { column, store, columnOf, ...rest } = configuredLsm(configured({}), { sharedMemory: SLOT });
  deepEqual(column, DEFAULT_COLUMN_OPTIONS);
  deepEqual(store, DEFAULT_STORE_OPTIONS);
  equal(columnOf, undefined);
  deepEqual(rest, {
    columnFamilyAsVariable: false,
    memory: SLOT,
    sharesMemory: true,
    maxBufferBytes: 64 * MIB,
    bufferNotice: null,
  });
  const { blockBytes, levelBaseBytes, targetFileBytes, compactionStyle, dynamicLevelBytes, bloomBitsPerKey } = column;
  deepEqual(
    [blockBytes, levelBaseBytes, targetFileBytes, compactionStyle, dynamicLevelBytes, bloomBitsPerKey],
    [4 * KIB, 256 * MIB, 64 * MIB, "LEVEL", false, 10],
  );
  const { writeBufferBytes, writeBufferCount, buffersToMerge, cacheBytes } = store;
  deepEqual([writeBufferBytes, writeBufferCount, buffersToMerge, cacheBytes], [64 * MIB, 2, 1, 8 * MIB]);
  // What options say of themselves is what counts when nobody sets them.
  deepEqual(
    configuredLsm(configured(Object.fromEntries(LSM_OPTIONS.map((o) => [o.key, o.defaultValue]))), {}).column,
    column,
  );
});

test("configuredLsm() reads every option, also by the names of RocksDB [265]", () => {
  const entries = {
    "block.blocksize": "16 kb",
    "use-bloom-filter": "true",
    "bloom-filter.bits-per-key": "12.5",
    "compression.per.level": "NO_COMPRESSION;NO_COMPRESSION;ZSTD_COMPRESSION",
    "compaction.style": "UNIVERSAL",
    "compaction.level.use-dynamic-size": "true",
    "compaction.level.max-size-level-base": "10 mb",
    "compaction.level.target-file-size-base": "1 mb",
    "writebuffer.size": "8 mb",
    "writebuffer.count": "4",
    "writebuffer.number-to-merge": "2",
    "block.cache-size": "16 mb",
    "memory.partitioned-index-filters": "true",
    "block.metadata-blocksize": "8 kb",
    "metrics.block-cache-usage": "true",
    "metrics.num-files-at-level": "true",
  };
  for (const prefix of ["state.backend.lsm.", "state.backend.rocksdb."]) {
    const { column, store, maxBufferBytes } = configuredLsm(lsm(entries, prefix), {});
    deepEqual(column, {
      ...DEFAULT_COLUMN_OPTIONS,
      blockBytes: 16 * KIB,
      bloomBitsPerKey: 12.5,
      compressionPerLevel: ["none", "none", "zstd"],
      compactionStyle: "UNIVERSAL",
      dynamicLevelBytes: true,
      levelBaseBytes: 10 * MIB,
      targetFileBytes: MIB,
    });
    deepEqual(store, {
      writeBufferBytes: 8 * MIB,
      writeBufferCount: 4,
      buffersToMerge: 2,
      cacheBytes: 16 * MIB,
      partitionedIndexFilters: true,
      indexPartBytes: 8 * KIB,
      metrics: ["block-cache-usage", "num-files-at-level"],
    });
    equal(maxBufferBytes, 16 * MIB);
  }
  equal(configuredLsm(lsm({ "compaction.level.max-size-multiplier": 4 }), {}).column.levelRatio, 4);
  equal(configuredLsm(lsm({ "use-bloom-filter": false }), {}).column.bloomBitsPerKey, 0);
  deepEqual(configuredLsm(lsm({ compression: "zstd" }), {}).column.compressionPerLevel, ["zstd"]);
  deepEqual(
    configuredLsm(lsm({ compression: "zstd", "compression.per.level": ["none"] }), {}).column.compressionPerLevel,
    [
      "none",
    ],
  );
});

test("options of the LSM backend refuse values that cannot be [265]", () => {
  const wrong: readonly (readonly [suffix: string, value: unknown, message: RegExp])[] = [
    ["predefined-options", "FAST", /must be one of DEFAULT, SPINNING_DISK_OPTIMIZED/],
    ["compaction.style", "FIFO", /state would be lost/],
    ["compression.per.level", "SNAPPY_COMPRESSION", /"SNAPPY_COMPRESSION" is not built into/],
    ["compression.per.level", "NO_COMPRESSION,LZ4_COMPRESSION", /"LZ4_COMPRESSION"/],
    ["compression.per.level", "", /a list of NO_COMPRESSION and ZSTD_COMPRESSION/],
    ["writebuffer.count", 0, /at least|in 1/],
    ["writebuffer.number-to-merge", "0", /number-to-merge/],
    ["compaction.level.max-size-multiplier", 1.5, /at least 2/],
    ["memory.write-buffer-ratio", 1, /between 0 and 1/],
    ["memory.high-prio-pool-ratio", 0, /between 0 and 1/],
    ["bloom-filter.bits-per-key", 0.5, /in 1 \.\. 32/],
    ["block.blocksize", "100", /blocksize/],
  ];
  for (const [suffix, value, message] of wrong) {
    throws(() => lsm({ [suffix]: value }), { kind: "invalid", message }, `${suffix}: ${value}`);
  }
});

test("a profile sets what it sets in Flink, by any spelling of its name [265]", () => {
  const of = (name: string) => {
    const { column, store } = configuredLsm(configured({ "state.backend.rocksdb.predefined-options": name }), {});
    return { column, store };
  };
  const standard = { column: DEFAULT_COLUMN_OPTIONS, store: DEFAULT_STORE_OPTIONS };
  deepEqual(of("DEFAULT"), standard);
  deepEqual(of("flash-ssd-optimized"), standard);
  const spinning = { ...DEFAULT_COLUMN_OPTIONS, dynamicLevelBytes: true };
  deepEqual(of("SPINNING_DISK_OPTIMIZED"), { column: spinning, store: DEFAULT_STORE_OPTIONS });
  deepEqual(of("spinning_disk_optimized_high_mem"), {
    column: { ...spinning, blockBytes: 128 * KIB, levelBaseBytes: 1024 * MIB, targetFileBytes: 256 * MIB },
    store: { ...DEFAULT_STORE_OPTIONS, cacheBytes: 256 * MIB, writeBufferCount: 4, buffersToMerge: 3 },
  });
});

const HIGH_MEMORY = "SPINNING_DISK_OPTIMIZED_HIGH_MEM" satisfies LsmProfileName;
const factory: LsmOptionsFactory = {
  columnOptions: () => ({ blockBytes: 1 * KIB }),
  storeOptions: () => ({ writeBufferCount: 7, cacheBytes: 3 * MIB }),
};
const PROFILE = { "predefined-options": HIGH_MEMORY };
const EXPLICIT = { "block.blocksize": "8 kb", "writebuffer.count": 5, "block.cache-size": "9 mb" };

/** Who says something, from the weakest on → block size of a state, write buffers, cache; memory of an operator. */
const PRECEDENCE: readonly (readonly [
  who: string,
  entries: Entries,
  factory: LsmOptionsFactory | undefined,
  blockBytes: number,
  bufferCount: number,
  cacheBytes: number,
])[] = [
  ["nobody", {}, undefined, 4 * KIB, 2, 8 * MIB],
  ["the profile over the default", PROFILE, undefined, 128 * KIB, 4, 256 * MIB],
  ["explicit options over the default", EXPLICIT, undefined, 8 * KIB, 5, 9 * MIB],
  ["explicit options over the profile", { ...PROFILE, ...EXPLICIT }, undefined, 8 * KIB, 5, 9 * MIB],
  ["the factory over the default", {}, factory, 1 * KIB, 7, 3 * MIB],
  ["the factory over the profile", PROFILE, factory, 1 * KIB, 7, 3 * MIB],
  ["the factory over all", { ...PROFILE, ...EXPLICIT }, factory, 1 * KIB, 7, 3 * MIB],
];

test("the factory wins over explicit options, those over the profile, that over the default [266]", () => {
  for (const [who, entries, factory, blockBytes, bufferCount, cacheBytes] of PRECEDENCE) {
    const { column, columnOf, store, memory, sharesMemory } = configuredLsm(lsm(entries), { factory });
    equal((columnOf?.("counts") ?? column).blockBytes, blockBytes, who);
    deepEqual([store.writeBufferCount, store.cacheBytes, sharesMemory], [bufferCount, cacheBytes, false], who);
    equal(memory.writeBytes, 64 * MIB * bufferCount, who);
    equal(memory.bytes, 64 * MIB * bufferCount + cacheBytes, who);
  }
});

test("memory that a slot shares wins over the buffers and the cache of all of them, and over nothing else [266, 268]", () => {
  for (const [who, entries, factory, blockBytes] of PRECEDENCE) {
    const { column, columnOf, memory, sharesMemory } = configuredLsm(lsm(entries), { factory, sharedMemory: SLOT });
    equal((columnOf?.("counts") ?? column).blockBytes, blockBytes, who);
    deepEqual([memory, sharesMemory], [SLOT, true], who);
  }
});

test("a slot shares its memory unless it is neither managed nor fixed [268]", () => {
  const shared = (entries: Entries) => isMemoryShared(lsm(entries), LSM_EMBEDDED_OPTIONS);
  equal(shared({}), true);
  equal(shared({ "memory.managed": false }), false);
  equal(shared({ "memory.managed": false, "memory.fixed-per-slot": "64 mb" }), true);
  equal(shared({ "memory.managed": false, "memory.fixed-per-tm": "64 mb" }), true);
});

test("a profile in code wins over a configured one, and loses to an option that is set anywhere [265, 266]", () => {
  const file = Configuration.of(
    { [LSM_PROFILE.key]: "DEFAULT", "state.backend.rocksdb.block.blocksize": "8 kb" },
    "file",
  );
  const { entries, origin } = lsmBackend({ profile: HIGH_MEMORY });
  const { column } = configuredLsm(file.with(entries, origin), {});
  deepEqual([column.levelBaseBytes, column.blockBytes], [1024 * MIB, 8 * KIB]);
});

test("options that were set stay when others are set above them [266]", () => {
  const below = lsm({ "compaction.level.target-file-size-base": "2 mb", "block.blocksize": "8 kb" });
  const { entries, origin } = lsmBackend({
    blockSize: "2 kb",
    compression: ["none", "zstd"],
    dynamicLevelSize: true,
    compactionStyle: "UNIVERSAL",
    levelRatio: 3,
    writeBufferCount: 3,
    buffersToMerge: 2,
    cacheSize: "1 mb",
  });
  const { column, store } = configuredLsm(below.with(entries, origin), {});
  deepEqual(column, {
    ...DEFAULT_COLUMN_OPTIONS,
    blockBytes: 2 * KIB,
    targetFileBytes: 2 * MIB,
    compressionPerLevel: ["none", "zstd"],
    dynamicLevelBytes: true,
    compactionStyle: "UNIVERSAL",
    levelRatio: 3,
  });
  deepEqual([store.writeBufferCount, store.buffersToMerge, store.cacheBytes], [3, 2, MIB]);
  equal(configuredLsm(below, {}).column.blockBytes, 8 * KIB);
});

test("a notice says that write buffers have less than an eighth of their size, at the border that Flink has [268]", () => {
  // An eighth of 64 MiB is 8 MiB, which is seven eighths of this share.
  const share = Math.ceil((8 * MIB * 8) / 7);
  const slot = (writeBytes: number) => ({ bytes: writeBytes * 2, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 });
  equal(bufferNotice(64 * MIB, slot(share)), null);
  ok(/memory\.fixed-per-slot.*writebuffer\.size$/.test(bufferNotice(64 * MIB, slot(share - 1)) ?? ""));
  // Rounded up to pages of 4 KiB: one byte more than eight of them is nine.
  equal(bufferNotice(8 * 4_096, slot(Math.ceil((4_096 * 8) / 7))), null);
  ok(bufferNotice(8 * 4_096 + 1, slot(Math.ceil((4_096 * 8) / 7))) !== null);
  const entries = lsm({ "writebuffer.size": "256 mb" });
  ok(configuredLsm(entries, { sharedMemory: { ...SLOT, bytes: 64 * MIB } }).bufferNotice !== null);
  equal(configuredLsm(entries, {}).bufferNotice, null, "memory of its own is as large as its buffers");
});

test("there is a write buffer besides those that make a file, as in RocksDB", () => {
  const counts = (writeBufferCount: number, buffersToMerge: number) => {
    const store = storeOptions({ writeBufferCount, buffersToMerge });
    return [store.writeBufferCount, store.buffersToMerge];
  };
  deepEqual(counts(1, 1), [2, 1]);
  deepEqual(counts(4, 3), [4, 3]);
  deepEqual(counts(3, 8), [3, 2]);
});

test("a factory is asked once for each state, with the options without it, and states without their own share an object", () => {
  const seen: [string, number][] = [];
  const factory: LsmOptionsFactory = {
    columnOptions(current, stateName) {
      seen.push([stateName, current.blockBytes]);
      return stateName === "large" ? { blockBytes: 64 * KIB, bloomBitsPerKey: undefined } : { blockBytes: 8 * KIB };
    },
  };
  const { column, columnOf } = configuredLsm(lsm({ "block.blocksize": "8 kb" }), { factory });
  equal(columnOf?.("small"), column);
  deepEqual(columnOf?.("large"), { ...column, blockBytes: 64 * KIB });
  equal(columnOf?.("large"), columnOf?.("large"));
  deepEqual(seen, [["small", 8 * KIB], ["large", 8 * KIB]]);
  equal(configuredLsm(configured({}), { factory: { storeOptions: () => ({}) } }).columnOf, undefined);
});

test("a factory is configured once, with its own options, and may put another in its place", () => {
  const restarts = intOption("my.restarts", { default: 16, min: 1, description: "" });
  class Mine implements LsmOptionsFactory {
    readonly options = [restarts];
    interval = 5;
    configure(configuration: Pick<Configuration, "get">): void {
      this.interval = configuration.get(restarts);
    }
    columnOptions(): Partial<ColumnOptions> {
      return { restartInterval: this.interval };
    }
  }
  equal(configuredLsm(Configuration.of({}), { factory: new Mine() }).columnOf?.("s").restartInterval, 16);
  const four = Configuration.of({ "my.restarts": "4" });
  equal(configuredLsm(four, { factory: new Mine() }).columnOf?.("s").restartInterval, 4);
  const made: LsmOptionsFactory = { configure: () => new Mine() };
  equal(configuredLsm(four, { factory: made }).columnOf?.("s").restartInterval, 5, "it is not configured again");
});

test("what is wrong with the answers of a factory is told, with the question", () => {
  const ask = (columnOptions: unknown) => () => {
    const factory = asOptionsFactory({ columnOptions }, "it");
    configuredLsm(configured({}), { factory }).columnOf?.("counts");
  };
  const invalid = (message: RegExp) => ({ kind: "invalid", message });
  throws(
    ask(() => {
      throw new Error("no luck");
    }),
    invalid(/columnOptions\(\) for state "counts" fails: no luck/),
  );
  throws(ask(() => ({ blockBytes: 3 })), invalid(/blockBytes is 3, it must be in 64\.\.16777216/));
  throws(ask(() => ({ blockBytes: "4096" })), invalid(/blockBytes is 4096/));
  throws(ask(() => ({ blockSize: 4096 })), invalid(/there is no option "blockSize"/));
  throws(ask(() => ({ blockByte: 4096 })), invalid(/did you mean "blockBytes"\?/));
  throws(ask(() => ({ compressionPerLevel: ["lz4"] })), invalid(/"lz4", it must be one of none, zstd/));
  throws(ask(() => ({ compressionPerLevel: "zstd" })), invalid(/compressionPerLevel/));
  throws(ask(() => ({ restartInterval: 1.5 })), invalid(/whole number/));
  throws(ask(() => ({ dynamicLevelBytes: 1 })), invalid(/dynamicLevelBytes is 1, it must be true or false/));
  throws(ask(() => Promise.resolve({})), invalid(/a promise, not options/));
  throws(ask(() => 7), invalid(/a number, not options/));
  const store = { storeOptions: (): Partial<StoreOptions> => ({ writeBufferBytes: -1 }) };
  throws(
    () => configuredLsm(configured({}), { factory: store }),
    invalid(/storeOptions\(\) fails: .*writeBufferBytes is -1/),
  );
  const configures = { configure: () => 5 as unknown as LsmOptionsFactory }; // wrong on purpose
  throws(() => configuredLsm(configured({}), { factory: configures }), invalid(/configure\(\) .*of type number/));
});

test("asOptionsFactory() refuses what cannot be a factory, and says why", () => {
  for (
    const [value, is] of [
      [null, /it is null/],
      [[], /it is a list/],
      ["x", /of type string/],
      [{}, /it has none of the methods/],
      [{ columnOptions: 5 }, /its columnOptions is no function/],
      [{ columnOptions: () => {}, options: ["a.b"] }, /its options are no list of declared options/],
    ] as const
  ) throws(() => asOptionsFactory(value, "that"), { name: "TypeError", message: is });
  class Inherits extends class {
    columnOptions(): object {
      return {};
    }
  } {}
  ok(asOptionsFactory(new Inherits(), "that"));
  throws(() => lsmBackend({ optionsFactory: {} }), { name: "TypeError", message: /optionsFactory/ });
});

test("compressionOf() has the last word for all further levels; areEqualColumns() compares every field", () => {
  const column = columnOptions({ compressionPerLevel: ["none", "zstd"] });
  deepEqual([0, 1, 2, 9].map((level) => compressionOf(column, level)), ["none", "zstd", "zstd", "zstd"]);
  ok(areEqualColumns(column, columnOptions({ compressionPerLevel: ["none", "zstd"] })));
  const other: ColumnOptions = {
    blockBytes: 1024,
    restartInterval: 4,
    bloomBitsPerKey: 5,
    compressionPerLevel: ["zstd"],
    targetFileBytes: 7,
    compactionStyle: "NONE",
    dynamicLevelBytes: true,
    levelBaseBytes: 9,
    levelRatio: 3,
    mergeShare: 0.2,
    minMergedRuns: 3,
    maxLevel0Runs: 9,
    behindRuns: 20,
  };
  for (const name of Object.keys(other) as (keyof ColumnOptions)[]) { // its own keys
    equal(areEqualColumns(DEFAULT_COLUMN_OPTIONS, columnOptions({ [name]: other[name] })), false, name);
  }
});
