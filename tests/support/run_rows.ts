/** Rows of runs in tests: made of few keys so that runs overlap, written to files in memory, and what they must mean. */
import fc from "fast-check";
import type { BlockCache } from "../../backends/runs/block_cache.ts";
import { LocalRunWriter } from "../../backends/runs/local_run_writer.ts";
import { OpenRun } from "../../backends/runs/open_run.ts";
import type { RunOptions } from "../../backends/runs/run_encoder.ts";
import { DELETE, DELETE_PREFIX, PUT, type RowCode, type RunState } from "../../backends/runs/run_format.ts";
import { ByteWriter, compareBytes } from "../../core/bytes.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import { VOID_NAMESPACE, writeKey, writeNamespace } from "../../core/key.ts";
import type { MemoryFileSystem } from "./memory_file_system.ts";

/** A row with its whole key. */
export interface TestRow {
  readonly code: RowCode;
  readonly key: Uint8Array;
  /** Size of the prefix; of a delete-prefix row its whole key. */
  readonly prefixBytes: number;
  readonly value: Uint8Array;
}

/** One state of each kind that matters. */
export const STATES: readonly RunState[] = [
  { id: 0, name: "value", kind: "value", serializerId: "bytes", serializerVersion: 1, schemaVersion: 1, flags: 0 },
  { id: 1, name: "list", kind: "list", serializerId: "bytes", serializerVersion: 1, schemaVersion: 1, flags: 0 },
  { id: 2, name: "map", kind: "map", serializerId: "bytes", serializerVersion: 1, schemaVersion: 1, flags: 0 },
  { id: 3, name: "timers", kind: "rows", serializerId: "", serializerVersion: 0, schemaVersion: 1, flags: 0 },
];
const [VALUE, LIST, MAP, ROWS] = [0, 1, 2, 3];
export const ALL: KeyGroupRange = { start: 0, end: 32_767 };
/** Key groups, keys and items that {@link anyRow} takes. */
export const GROUPS = 4;
const KEYS = 4;
const ITEMS = 4;

const out = new ByteWriter();

/** The key of a row; without `item` the prefix of a list or map. */
export function rowKey(group: number, state: number, key: number, item?: number): [Uint8Array, number] {
  out.reset();
  out.u16(group);
  out.u16(state);
  writeKey(out, key % 2 === 0 ? `k${key}` : key);
  writeNamespace(out, VOID_NAMESPACE);
  const prefixBytes = out.length;
  if (item !== undefined && state === LIST) {
    out.u32(0);
    out.u32(item);
  } else if (item !== undefined && state === MAP) {
    writeKey(out, `item-${item}`);
  }
  return [out.copy(), out.length === prefixBytes || state === LIST || state === MAP ? prefixBytes : out.length];
}

/** Each key that {@link anyRow} may give a put or delete, and the size of its prefix. */
export function everyKey(): [Uint8Array, number][] {
  const keys: [Uint8Array, number][] = [];
  for (let group = 0; group < GROUPS; group++) {
    for (let key = 0; key < KEYS; key++) {
      for (const state of [VALUE!, ROWS!]) keys.push(rowKey(group, state, key));
      for (const state of [LIST!, MAP!]) {
        for (let item = 0; item < ITEMS; item++) keys.push(rowKey(group, state, key, item));
      }
    }
  }
  return keys;
}

/** The prefix of each list and map, and of each state in each key group. */
export function everyPrefix(): Uint8Array[] {
  const prefixes: Uint8Array[] = [];
  for (let group = 0; group < GROUPS; group++) {
    for (let state = 0; state < STATES.length; state++) prefixes.push(Uint8Array.from([0, group, 0, state]));
    for (let key = 0; key < KEYS; key++) {
      for (const state of [LIST!, MAP!]) prefixes.push(rowKey(group, state, key)[0]);
    }
  }
  return prefixes;
}

/** A row of a few key groups, states, keys and items. */
export function anyRow(): fc.Arbitrary<TestRow> {
  const parts = fc.record({
    group: fc.nat(GROUPS - 1),
    state: fc.nat(STATES.length - 1),
    key: fc.nat(KEYS - 1),
    item: fc.nat(ITEMS - 1),
    does: fc.nat(9),
    size: fc.oneof({ weight: 9, arbitrary: fc.nat(20) }, { weight: 1, arbitrary: fc.constantFrom(127, 128, 400) }),
    fill: fc.nat(255),
  });
  return parts.map(({ group, state, key, item, does, size, fill }) => {
    const none = new Uint8Array(0);
    if (does === 0 && state === ROWS) {
      return { code: DELETE_PREFIX, key: Uint8Array.from([0, group, 0, state]), prefixBytes: 4, value: none };
    }
    if (does < 3 && (state === LIST || state === MAP)) {
      const [prefix, prefixBytes] = rowKey(group, state, key);
      return { code: DELETE_PREFIX, key: prefix, prefixBytes, value: none };
    }
    const [whole, prefixBytes] = rowKey(group, state, key, item);
    if (does < 5) return { code: DELETE, key: whole, prefixBytes, value: none };
    return { code: PUT, key: whole, prefixBytes, value: new Uint8Array(size).fill(fill) };
  });
}

/** Rows as one run may have them: sorted, each key once. */
export function anyRun(maxLength = 60): fc.Arbitrary<TestRow[]> {
  return fc.uniqueArray(anyRow(), { maxLength, selector: (row) => row.key.join() }).map((rows) =>
    rows.sort((a, b) => compareKeys(a.key, b.key))
  );
}

/** Orders keys as runs do. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}

/** Whether `key` begins with `prefix`. */
export function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && compareBytes(key, 0, prefix.length, prefix, 0, prefix.length) === 0;
}

/** Writes rows to a file and opens it. */
export function openRun(
  files: MemoryFileSystem,
  path: string,
  rows: readonly TestRow[],
  cache: BlockCache | null,
  options: RunOptions & { readonly keyGroups?: KeyGroupRange } = {},
): OpenRun {
  const writer = new LocalRunWriter(files.createSync(path, "exclusive"), { states: STATES, ...options });
  for (const { code, key, value } of rows) writer.addRow(code, key, key.length, value, 0, value.length);
  return OpenRun.openLocal(files, path, { ...writer.finish(), keyGroups: options.keyGroups ?? ALL }, cache);
}

/** What runs mean together, oldest first: values of the rows that are alive, by key. */
export function aliveRows(runs: readonly (readonly TestRow[])[]): [Uint8Array, Uint8Array][] {
  let alive: [Uint8Array, Uint8Array][] = [];
  for (const rows of runs) {
    for (const row of rows) {
      alive = alive.filter(([key]) =>
        row.code === DELETE_PREFIX ? !startsWith(key, row.key) : compareKeys(key, row.key) !== 0
      );
    }
    for (const row of rows) if (row.code === PUT) alive.push([row.key, row.value]);
  }
  return alive.sort(([a], [b]) => compareKeys(a, b));
}
