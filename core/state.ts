/**
 * Declares the handles through which an actor reads and writes its state.
 * A handle always speaks of the current key.
 *
 * Called by: users' actors; implemented by the backends.
 * Calls: nothing.
 *
 * @module
 */
import type { Key, Namespace } from "./key.ts";

/** One value of the current key. */
export interface ValueState<T> {
  /** What is stored, else the declared default, else null. An object that is returned counts as written for the next snapshot. */
  value(): T;
  /** Stores a value; `null` or `undefined` clears. */
  update(value: T): void;
  /** Forgets the value. */
  clear(): void;
}

/** An ordered list of the current key. */
export interface ListState<T> extends Iterable<T> {
  /** The elements in the order of their addition; empty when there are none. The array is the caller's. */
  get(): T[];
  /** Appends. @throws {TypeError} For null and undefined. */
  add(value: T): void;
  /** Appends all, or none when one of them is null or undefined. */
  addAll(values: Iterable<T>): void;
  /** Replaces all elements; an empty list clears. */
  update(values: Iterable<T>): void;
  /** Forgets all elements. */
  clear(): void;
}

/** A map of the current key; reads like a `Map`. */
export interface MapState<K, V> extends Iterable<[K, V]> {
  /** The value, or undefined when there is none. */
  get(key: K): V | undefined;
  /** Sets an entry. @throws {TypeError} When the value is undefined. */
  set(key: K, value: V): this;
  /** Whether there is an entry. */
  has(key: K): boolean;
  /** Removes an entry; says whether there was one. */
  delete(key: K): boolean;
  /** Sets all entries. */
  setAll(entries: Iterable<readonly [K, V]>): void;
  /** Number of entries; may walk them all. */
  readonly size: number;
  /** Whether there are no entries; O(1). */
  isEmpty(): boolean;
  /** Each entry once, in no particular order; entries may be deleted or set meanwhile. */
  entries(): IterableIterator<[K, V]>;
  /** Each key once. */
  keys(): IterableIterator<K>;
  /** The value of each entry. */
  values(): IterableIterator<V>;
  /** Calls back for each entry. */
  forEach(callback: (value: V, key: K) => void): void;
  /** Removes all entries. */
  clear(): void;
}

/** A value of the current key that `add` folds into. */
export interface ReducingState<T> {
  /** The fold so far, or null. */
  get(): T | null;
  /** Folds a value in. @throws {TypeError} For null and undefined. */
  add(value: T): void;
  /** Forgets the value. */
  clear(): void;
}

/** An accumulator of the current key. */
export interface AggregatingState<I, O> {
  /** The result of the accumulator, or null. */
  get(): O | null;
  /** Folds an input in. @throws {TypeError} For null and undefined. */
  add(value: I): void;
  /** Forgets the accumulator. */
  clear(): void;
}

/** What the engine can do with a handle besides: speak of another namespace. */
export interface Namespaced {
  /** Every later call speaks of this namespace, until the next one. Initially `VOID_NAMESPACE`. */
  setNamespace(namespace: Namespace): void;
}

/** A handle whose namespaces can be merged: list, reducing and aggregating state. */
export interface MergingState extends Namespaced {
  /** Moves what the current key has under `sources` to `target`; the sources end empty. */
  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void;
}

/** Sets and tells the key that state and timers speak of. */
export interface KeyContext {
  /** Every later call of a handle or of the timers speaks of this key. */
  setCurrentKey(key: Key): void;
  /** The key that was set last. @throws {StreamError} If none is set. */
  currentKey(): Key;
}
