/**
 * State as plain data, and the bytes of its canonical snapshot, made without any backend.
 *
 * Called by: tests of canonical snapshots.
 * Calls: the writer of runs, and the encodings of keys and values.
 */
import type { RunState, RunStateKind } from "../../backends/runs/run_format.ts";
import { PUT } from "../../backends/runs/run_format.ts";
import { RunWriter } from "../../backends/runs/run_writer.ts";
import { auto } from "../../core/auto_serializer.ts";
import { ByteWriter, compareBytes } from "../../core/bytes.ts";
import { type Key, type Namespace, VOID_NAMESPACE, writeKey, writeNamespace } from "../../core/key.ts";
import { keyGroupOf, type KeyGroupRange } from "../../core/key_groups.ts";
import { type Serializer, snapshotOf, writeValue } from "../../core/serializer.ts";
import type { SnapshotFile } from "../../core/snapshot.ts";

/** A state of the model. */
export interface ModelState {
  readonly name: string;
  readonly kind: RunStateKind;
  /** `auto` when absent. */
  readonly serializer?: Serializer<unknown>;
}

/** What one (state, key, namespace) holds. */
interface Entry {
  readonly state: string;
  readonly key: Key;
  readonly namespace: Namespace;
  value?: unknown;
  items?: unknown[];
  cells?: Map<string, readonly [Key, unknown]>;
}

interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Rows of all key groups. */
export class CanonicalModel {
  private readonly entries = new Map<string, Entry>();
  private readonly timers = new Map<string, readonly [keyGroup: number, number: number]>();

  constructor(private readonly states: readonly ModelState[], private readonly maxParallelism: number) {}

  /** The entry of a state; made when there is none. */
  obtain(state: string, key: Key, namespace: Namespace): Entry {
    const name = `${state}/${nameOf(key)}/${nameOf(namespace)}`;
    const known = this.entries.get(name);
    if (known !== undefined) return known;
    const made: Entry = { state, key, namespace };
    this.entries.set(name, made);
    return made;
  }

  /** Removes all that an entry holds. */
  clear(state: string, key: Key, namespace: Namespace): void {
    this.entries.delete(`${state}/${nameOf(key)}/${nameOf(namespace)}`);
  }

  /** Adds or removes a timer. */
  setTimer(keyGroup: number, number: number, isThere: boolean): void {
    if (isThere) this.timers.set(`${keyGroup}/${number}`, [keyGroup, number]);
    else this.timers.delete(`${keyGroup}/${number}`);
  }

  /** Elements of the longest list in `range`. */
  longestList({ start, end }: KeyGroupRange): number {
    let longest = 0;
    for (const { key, items } of this.entries.values()) {
      const group = keyGroupOf(key, this.maxParallelism);
      if (group >= start && group <= end) longest = Math.max(longest, items?.length ?? 0);
    }
    return longest;
  }

  /** The file of the subtask of `range`, which knows the states `known`; null when it holds nothing. */
  async bytes(range: KeyGroupRange, known: ReadonlySet<string>): Promise<Uint8Array | null> {
    const states = this.states.filter(({ name }) => known.has(name)).sort((a, b) => a.name < b.name ? -1 : 1);
    const rows = this.rows(range, states.map(({ name }) => name));
    if (rows.length === 0) return null;
    rows.sort((a, b) => compareBytes(a.key, 0, a.key.length, b.key, 0, b.key.length));
    const file = new CollectedFile();
    const writer = new RunWriter(file);
    for (const { key, value } of rows) {
      const row = new Uint8Array([...key, ...value]);
      writer.add((key[0]! << 8) | key[1]!, PUT, row, 2, key.length, row.length);
      if (writer.wantsFlush) await writer.flush();
    }
    await writer.finish(states.map(lineOf));
    return file.bytes();
  }

  private rows({ start, end }: KeyGroupRange, names: readonly string[]): Row[] {
    const rows: Row[] = [];
    for (const entry of this.entries.values()) {
      const group = keyGroupOf(entry.key, this.maxParallelism);
      if (group >= start && group <= end) this.addRows(rows, entry, group, names.indexOf(entry.state));
    }
    for (const [group, number] of this.timers.values()) {
      if (group < start || group > end) continue;
      const key = new ByteWriter();
      key.u16(group);
      key.u16(names.indexOf("timers"));
      key.u32(number);
      rows.push({ key: key.copy(), value: new Uint8Array(0) });
    }
    return rows;
  }

  private addRows(rows: Row[], entry: Entry, group: number, id: number): void {
    const { state, key, namespace, items, cells } = entry;
    const serializer = this.states.find(({ name }) => name === state)!.serializer ?? auto<unknown>();
    const add = (value: unknown, writeRest: (out: ByteWriter) => void) => {
      const out = new ByteWriter();
      out.u16(group);
      out.u16(id);
      writeKey(out, key);
      writeNamespace(out, namespace);
      writeRest(out);
      const bytes = new ByteWriter();
      writeValue(serializer, value, bytes, state);
      rows.push({ key: out.copy(), value: bytes.copy() });
    };
    if (items !== undefined) {
      items.forEach((item, i) =>
        add(item, (out) => {
          out.u32(0);
          out.u32(i);
        })
      );
    } else if (cells !== undefined) {
      for (const [mapKey, value] of cells.values()) add(value, (out) => writeKey(out, mapKey));
    } else {
      add(entry.value, () => {});
    }
  }
}

function lineOf({ name, kind, serializer }: ModelState, id: number): RunState {
  if (kind === "rows") return { id, name, kind, serializerId: "", serializerVersion: 0, schemaVersion: 1, flags: 0 };
  const { id: serializerId, version, schemaVersion } = snapshotOf(serializer ?? auto<unknown>());
  return { id, name, kind, serializerId, serializerVersion: version, schemaVersion, flags: 0 };
}

/** A text that tells keys and namespaces apart. */
export function nameOf(key: Namespace): string {
  if (key === VOID_NAMESPACE) return "void";
  const out = new ByteWriter();
  writeKey(out, key);
  return [...out.copy()].join(" ");
}

class CollectedFile implements SnapshotFile {
  private readonly chunks: Uint8Array[] = [];

  write(chunk: Uint8Array): Promise<void> {
    this.chunks.push(chunk.slice());
    return Promise.resolve();
  }

  finish(): Promise<{ scope: "inline"; bytes: Uint8Array; sizeBytes: number }> {
    const bytes = this.bytes();
    return Promise.resolve({ scope: "inline", bytes, sizeBytes: bytes.length });
  }

  discard(): Promise<void> {
    return Promise.resolve();
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.chunks.flatMap((chunk) => [...chunk]));
  }
}
