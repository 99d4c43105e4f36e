/**
 * Counts what the keyed state of an operator holds: keys, entries and bytes of each state.
 *
 * Called by: control/cli/inspect.ts, control/restore_check.ts.
 * Calls: control/cli/opened_checkpoint.ts.
 *
 * @module
 */
import type { RunState, RunStateKind } from "../../backends/runs/run_format.ts";
import type { OperatorCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import { ByteReader, compareBytes } from "../../core/bytes.ts";
import { skipKey } from "../../core/key.ts";
import type { SerializerSnapshot } from "../../core/serializer.ts";
import type { SnapshotReader } from "../../core/snapshot.ts";
import { keyedHandles, type KeyedRowCursor, OpenedKeyedState } from "./opened_checkpoint.ts";

/** Key group and state id. */
const ROUTE_BYTES = 4;

/** One state of an operator. */
export interface StateStatistics {
  readonly name: string;
  /** `rows` are timers. */
  readonly kind: RunStateKind;
  /** Who wrote the values: more than one after a change of the format that no full snapshot has followed. */
  readonly serializers: readonly SerializerSnapshot[];
  /** Those of them of which values are left: what a restore has to read. */
  readonly writers: readonly SerializerSnapshot[];
  /** Keys that have it; null when they were not counted, and for timers. */
  readonly keys: number | null;
  /** Values, list elements, map entries or timers; null when they were not counted. */
  readonly entries: number | null;
  /** Bytes of keys and values without compression; null when rows were not read. */
  readonly bytes: number | null;
}

interface Counting {
  readonly name: string;
  readonly kind: RunStateKind;
  readonly serializers: SerializerSnapshot[];
  readonly writers: SerializerSnapshot[];
  keys: number;
  entries: number;
  bytes: number;
}

/**
 * What the keyed state of an operator holds, by name.
 *
 * @param countRows Whether all rows are read; else only tables of states, and one row of each state in a key group.
 * @throws {SnapshotCorruptError} If a file is missing or damaged.
 */
export async function statesOf(
  operator: OperatorCheckpoint,
  reader: SnapshotReader,
  countRows: boolean,
): Promise<StateStatistics[]> {
  const byName = new Map<string, Counting>();
  for (const handle of keyedHandles(operator)) {
    const opened = await OpenedKeyedState.open(handle, reader);
    try {
      for (const run of opened.runs) {
        for (const state of run.states) {
          const known = countingOf(byName, state.name, state.kind);
          addWriter(known.serializers, state);
        }
      }
      if (countRows) countRowsOf(opened.rows(), byName);
      else findWriters(opened.rows(), byName);
    } finally {
      opened.close();
    }
  }
  const counted = [...byName.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  return counted.map(({ name, kind, serializers, writers, keys, entries, bytes }) => ({
    name,
    kind,
    serializers,
    writers,
    keys: countRows && kind !== "rows" ? keys : null,
    entries: countRows ? entries : null,
    bytes: countRows ? bytes : null,
  }));
}

function countingOf(byName: Map<string, Counting>, name: string, kind: RunStateKind): Counting {
  const known = byName.get(name);
  if (known !== undefined) return known;
  const made = { name, kind, serializers: [], writers: [], keys: 0, entries: 0, bytes: 0 };
  byName.set(name, made);
  return made;
}

function addWriter(known: SerializerSnapshot[], state: RunState): void {
  const { kind, serializerId: id, serializerVersion: version, schemaVersion } = state;
  const isKnown = known.some((one) => one.id === id && one.version === version && one.schemaVersion === schemaVersion);
  if (kind !== "rows" && !isKnown) known.push({ id, version, schemaVersion });
}

/** Looks at the first row of each state in each key group. */
function findWriters(rows: KeyedRowCursor, byName: Map<string, Counting>): void {
  const route = new Uint8Array(ROUTE_BYTES);
  const view = new DataView(route.buffer);
  while (rows.next()) {
    addWriter(countingOf(byName, rows.state.name, rows.state.kind).writers, rows.state);
    route.set(rows.key.subarray(0, ROUTE_BYTES));
    const next = view.getUint32(0) + 1;
    // No row is behind the last state of the last key group.
    if (next > 0xffff_ffff) return;
    view.setUint32(0, next);
    rows.seek(route, ROUTE_BYTES, 0);
  }
}

function countRowsOf(rows: KeyedRowCursor, byName: Map<string, Counting>): void {
  const reader = new ByteReader(new Uint8Array(0));
  // Key group, state and key of the row before.
  let last = new Uint8Array(0);
  let known: RunState | null = null;
  while (rows.next()) {
    const { state, key, keyBytes } = rows;
    const counting = countingOf(byName, state.name, state.kind);
    if (state !== known) addWriter(counting.writers, state);
    known = state;
    counting.entries++;
    counting.bytes += keyBytes - ROUTE_BYTES + rows.valueEnd - rows.valueStart;
    if (state.kind === "rows") continue;
    reader.open(key, ROUTE_BYTES, keyBytes);
    skipKey(reader);
    const end = reader.position;
    if (compareBytes(key, 0, end, last, 0, last.length) === 0) continue;
    counting.keys++;
    last = key.slice(0, end);
  }
}
