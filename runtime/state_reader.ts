/**
 * Reads the state of a key without changing it: for whoever asks from outside what an operator knows.
 *
 * Called by: runtime/operators/keyed_operator.ts.
 * Calls: the state backend, serializers.
 *
 * Invariants:
 * - what it returns is a copy;
 * - a value with a time to live that is over is not there, and one that is not lives no longer for being read.
 *
 * @module
 */
import { auto } from "../core/auto_serializer.ts";
import type { StateBackend } from "../core/backend.ts";
import { ByteReader, ByteWriter } from "../core/bytes.ts";
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StateDescriptor,
  StateKind,
  ValueStateDescriptor,
} from "../core/descriptors.ts";
import { StreamError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Stamped } from "../core/stamped_value.ts";

/** A descriptor, as far as a query looks at it. */
export interface QueriedState {
  /** As declared by the operator. */
  readonly kind: StateKind;
  /** As declared by the operator. */
  readonly name: string;
}

/**
 * What a query returns: the value (or its default, or null), the elements of a list, the entries of a map, the fold of a
 * reducing state and the result of an aggregating one, or null.
 */
export type QueryResult<D> = D extends ValueStateDescriptor<infer T> ? T
  : D extends ListStateDescriptor<infer T> ? T[]
  : D extends MapStateDescriptor<infer K, infer V> ? Map<K, V>
  : D extends ReducingStateDescriptor<infer T> ? T | null
  : D extends AggregatingStateDescriptor<infer _I, infer _A, infer O> ? O | null
  : never;

/** What a reader needs of its operator. */
export interface StateReaderOptions {
  readonly operatorName: string;
  readonly backend: StateBackend;
  /** Every state that the operator has declared, by its name. */
  readonly declared: ReadonlyMap<string, StateDescriptor>;
  /** The wall clock, milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** Reads what the current key has. */
type Read = () => unknown;

/** The states of one operator subtask, to be looked at between two steps. */
export class StateReader {
  /** By the name of the state. */
  readonly #reads = new Map<string, Read>();
  readonly #writer = new ByteWriter();

  constructor(private readonly options: StateReaderOptions) {}

  /**
   * A copy of what the state holds for a key. There is no current key afterwards.
   *
   * @throws {StreamError} If the operator does not declare such a state. @throws {TypeError} For what is no key.
   */
  read<D extends QueriedState>(state: D, key: Key): QueryResult<D> {
    const { backend } = this.options;
    const read = this.#readOf(state);
    backend.setCurrentKey(key);
    try {
      return read() as QueryResult<D>; // The kinds are equal, and the descriptor says of which type the values are.
    } finally {
      backend.leaveKey?.();
    }
  }

  #readOf(state: QueriedState): Read {
    const { operatorName, declared } = this.options;
    const descriptor = declared.get(state.name);
    if (descriptor === undefined) throw notDeclared(operatorName, state.name, [...declared.keys()]);
    if (descriptor.kind !== state.kind) {
      throw new StreamError(
        "invalid",
        `Cannot query state "${state.name}" of "${operatorName}" as ${state.kind} state: it is ${descriptor.kind} ` +
          "state; use the descriptor that it is declared with",
      );
    }
    let read = this.#reads.get(state.name);
    if (read === undefined) this.#reads.set(state.name, read = this.#open(descriptor));
    return read;
  }

  /** Below the time to live, which reading would begin anew; without a serializer a handle goes with what is declared. */
  #open(descriptor: StateDescriptor): Read {
    const { backend } = this.options;
    const { name } = descriptor;
    const serializer = undefined;
    const living = (stored: unknown) => this.#living(descriptor, stored);
    switch (descriptor.kind) {
      case "value": {
        const state = backend.state<unknown>({ kind: "value", name, serializer, makeDefault: undefined });
        return () => living(state.value()) ?? descriptor.makeDefault?.() ?? null;
      }
      case "list": {
        const state = backend.state<unknown>({ kind: "list", name, serializer });
        return () => state.get().map(living).filter((element) => element !== undefined);
      }
      case "map": {
        const state = backend.state<unknown, unknown>({ kind: "map", name, serializer });
        return () => {
          const entries = new Map<unknown, unknown>();
          for (const [key, stored] of state.entries()) {
            const value = living(stored);
            if (value !== undefined) entries.set(structuredClone(key), value);
          }
          return entries;
        };
      }
      case "reducing": {
        const state = backend.state<unknown>({ kind: "reducing", name, serializer, reduce: refuseFold });
        return () => living(state.get()) ?? null;
      }
      case "aggregating": {
        const result = (accumulator: unknown) => accumulator;
        const aggregate = { create: refuseFold, add: refuseFold, merge: refuseFold, result };
        const state = backend.state<unknown, unknown, unknown>({ kind: "aggregating", name, serializer, aggregate });
        return () => {
          const accumulator = living(state.get());
          return accumulator === undefined || accumulator === null ? null : descriptor.aggregate.result(accumulator);
        };
      }
    }
  }

  /** A copy of what is stored, null if it is nothing; undefined when it is over. */
  #living({ ttl, serializer = ANYTHING }: StateDescriptor, stored: unknown): unknown {
    if (stored === null) return null;
    if (ttl === undefined) return this.#copy(serializer, stored);
    // A state with a time to live is stored as stamped values.
    const { value, stampMs } = stored as Stamped<unknown>;
    return stampMs + ttl.timeMs <= this.options.nowMs() ? undefined : this.#copy(serializer, value);
  }

  /** As it would be after a restore. */
  #copy(serializer: NonNullable<StateDescriptor["serializer"]>, value: unknown): unknown {
    if (typeof value !== "object" || value === null || this.options.backend.storesBytes) return value;
    const writer = this.#writer;
    writer.reset();
    serializer.write(value as never, writer); // the state holds only what its serializer takes
    return serializer.read(new ByteReader(writer.copy()));
  }
}

const ANYTHING = auto<unknown>();

function refuseFold(): never {
  throw new StreamError("invalid", "Cannot add to a state that is only read");
}

function notDeclared(operatorName: string, name: string, names: readonly string[]): StreamError {
  const has = names.length === 0 ? "it declares none" : `it has ${names.map((one) => `"${one}"`).join(", ")}`;
  return new StreamError(
    "invalid",
    `Cannot query state "${name}" of "${operatorName}": ${has}; name one that it declares`,
  );
}
