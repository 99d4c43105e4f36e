/**
 * Map state with a time to live: each entry lives on its own.
 *
 * Called by: actors, through core/state.ts.
 * Calls: the backend's map of stamped values, ttl_time.ts.
 *
 * @module
 */
import type { Namespace } from "../../core/key.ts";
import { type Expiry, Stamped } from "../../core/stamped_value.ts";
import type { MapState, Namespaced } from "../../core/state.ts";
import { checkEntry } from "../states/access_checks.ts";
import type { TtlTime } from "./ttl_time.ts";

/** The entries of the current key that live. */
export class TtlMap<K, V> implements MapState<K, V>, Namespaced {
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;

  /** @param where Names the state in errors. */
  constructor(
    private readonly map: MapState<K, Stamped<V>> & Namespaced,
    private readonly time: TtlTime,
    private readonly expiry: Expiry,
    private readonly where: string,
  ) {
    this.updatesOnRead = expiry.updatesOnRead;
    this.returnsOver = expiry.returnsOver;
  }

  /** Whether a read may give the value; removes one that is over. */
  private mayShow(key: K, { stampMs, value }: Stamped<V>, nowMs: number): boolean {
    if (this.expiry.isOver(stampMs, nowMs)) {
      this.map.delete(key);
      return this.returnsOver;
    }
    if (this.updatesOnRead && stampMs !== nowMs) this.map.set(key, new Stamped(nowMs, value));
    return true;
  }

  get(key: K): V | undefined {
    const nowMs = this.time.nowMs;
    const stamped = this.map.get(key);
    if (stamped === undefined) return undefined;
    const { value } = stamped;
    return this.mayShow(key, stamped, nowMs) ? value : undefined;
  }

  set(key: K, value: V): this {
    checkEntry(value, this.where);
    this.map.set(key, new Stamped(this.time.nowMs, value));
    return this;
  }

  has(key: K): boolean {
    const nowMs = this.time.nowMs;
    const stamped = this.map.get(key);
    return stamped !== undefined && this.mayShow(key, stamped, nowMs);
  }

  delete(key: K): boolean {
    const nowMs = this.time.nowMs;
    const stamped = this.map.get(key);
    if (stamped === undefined) return false;
    const isThere = this.returnsOver || !this.expiry.isOver(stamped.stampMs, nowMs);
    this.map.delete(key);
    return isThere;
  }

  setAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.count(Number.POSITIVE_INFINITY);
  }

  isEmpty(): boolean {
    return this.count(1) === 0;
  }

  /** Number of entries that a read would show, or `limit` if there are more; changes nothing. */
  private count(limit: number): number {
    const nowMs = this.time.nowMs;
    let count = 0;
    for (const { stampMs } of this.map.values()) {
      if (!this.returnsOver && this.expiry.isOver(stampMs, nowMs)) continue;
      if (++count >= limit) break;
    }
    return count;
  }

  *entries(): IterableIterator<[K, V]> {
    const nowMs = this.time.nowMs;
    for (const [key, stamped] of this.map.entries()) {
      const { value } = stamped;
      if (this.mayShow(key, stamped, nowMs)) yield [key, value];
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

  clear(): void {
    this.map.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.map.setNamespace(namespace);
  }
}
