/**
 * One subtask's copy of a broadcast map, in memory.
 *
 *     item = key value     ; key as in core/key.ts, value as the serializer writes it, to the end
 *
 * Called by: users' functions and sources, through core/operator_state.ts; runtime/operator_states.ts (snapshots).
 * Calls: the serializer of the state, core/key.ts.
 *
 * Invariants:
 * - keys are equal when their bytes are: the map holds a token in place of bytes or a tuple;
 * - entries are in the order in which their keys were first set.
 *
 * @module
 */
import { ownKey } from "../backends/heap/table.ts";
import { checkEntry } from "../backends/states/access_checks.ts";
import { checkKey, identityOf, isComplexKey, type Key, readKey } from "../core/key.ts";
import type { BroadcastState } from "../core/operator_state.ts";
import { type Serializer, snapshotOf } from "../core/serializer.ts";
import type { OperatorList } from "../core/snapshot.ts";
import { ItemsWriter, readItems, type StateAccess, type StoredState } from "./stored_state.ts";

/** Stands for a key that a Map would compare by reference. */
class ComplexKey {
  constructor(readonly key: Key, readonly identity: unknown) {}
}

/** What the map holds in place of a key. */
type Token = Exclude<Key, object> | ComplexKey;

/** The values are live objects; a snapshot holds their bytes. */
export class BroadcastHandle<K, V> implements BroadcastState<K, V>, StoredState {
  private readonly map = new Map<Token, V>();
  /** Tokens of bytes and tuples in the map, by identity. */
  private readonly tokens = new Map<unknown, ComplexKey>();

  /** @param where Names the state. */
  constructor(
    private readonly where: string,
    private serializer: Serializer<V>,
    private readonly access: StateAccess,
  ) {}

  /** The token of a key in the map; undefined for a key that is not there. */
  private find(key: unknown): Token | undefined {
    checkKey(key);
    return isComplexKey(key) ? this.tokens.get(identityOf(key)) : key;
  }

  get(key: K): V | undefined {
    const token = this.find(key);
    return token === undefined ? undefined : this.map.get(token);
  }

  has(key: K): boolean {
    const token = this.find(key);
    return token !== undefined && this.map.has(token);
  }

  set(key: K, value: V): this {
    if (!this.access.isOpen) this.access.refuse(this.where);
    checkKey(key);
    checkEntry(value, this.where);
    this.serializer.check?.(value, this.where);
    this.put(key, value);
    return this;
  }

  private put(key: Key, value: V): void {
    this.map.set(this.find(key) ?? this.makeToken(key), value);
  }

  private makeToken(key: Key): ComplexKey {
    const token = new ComplexKey(ownKey(key), identityOf(key));
    this.tokens.set(token.identity, token);
    return token;
  }

  setAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.set(key, value);
  }

  delete(key: K): boolean {
    if (!this.access.isOpen) this.access.refuse(this.where);
    const token = this.find(key);
    if (token === undefined) return false;
    if (token instanceof ComplexKey) this.tokens.delete(token.identity);
    return this.map.delete(token);
  }

  clear(): void {
    if (!this.access.isOpen) this.access.refuse(this.where);
    this.map.clear();
    this.tokens.clear();
  }

  get size(): number {
    return this.map.size;
  }

  isEmpty(): boolean {
    return this.map.size === 0;
  }

  *entries(): IterableIterator<[K, V]> {
    for (const token of [...this.map.keys()]) {
      const value = this.map.get(token);
      // It may have been removed meanwhile.
      if (value !== undefined) yield [keyOf(token) as K, value]; // set() took the key as a K
    }
  }

  *keys(): IterableIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  forEach(callback: (value: V, key: K) => void): void {
    for (const [key, value] of this.entries()) callback(value, key);
  }

  /** Also of an empty map: a subtask without a list is given the copy of another. */
  snapshot(): OperatorList {
    const items = new ItemsWriter(this.serializer, this.where);
    for (const [token, value] of this.map) items.add(token instanceof ComplexKey ? token.key : token, value);
    return { distribution: "broadcast", serializer: snapshotOf(this.serializer), items: items.finish() };
  }

  restore(list: OperatorList): void {
    const { serializer, where, access: { operatorName } } = this;
    this.serializer = readItems(list, { serializer, where, operatorName }, (input, read) => {
      const key = readKey(input);
      this.put(key, read());
    });
  }
}

function keyOf(token: Token): Key {
  return token instanceof ComplexKey ? ownKey(token.key) : token;
}
