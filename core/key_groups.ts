/**
 * Key groups: the fixed shards of keyed state, and which subtask owns which.
 *
 * Called by: the exchanges and the job graph in runtime/, backends, timers, checkpoint/.
 * Calls: core/key_hash.ts.
 *
 * @module
 */

import type { Key } from "./key.ts";
import { hashKey } from "./key_hash.ts";

/** A run of key groups; both ends inclusive, `start <= end`. */
export interface KeyGroupRange {
  /** First key group, 0-based. */
  readonly start: number;
  /** Last key group. */
  readonly end: number;
}

/** How many subtasks share how many key groups. */
export interface Parallelism {
  /** Number of subtasks, 1..maxParallelism. */
  readonly parallelism: number;
  /** Number of key groups, 1..{@link MAX_PARALLELISM_LIMIT}; fixed for the life of a job's state. */
  readonly maxParallelism: number;
}

/** Largest number of key groups. */
export const MAX_PARALLELISM_LIMIT = 32_768;

const DEFAULT_LOWER_BOUND = 128;

/**
 * Scrambles a hash so that neighbouring keys do not share a key group.
 *
 * Source: `MathUtils.murmurHash` of Flink (MurmurHash3, one 32-bit block).
 *
 * @param hash Signed 32-bit integer.
 * @returns 0..2^31-1.
 */
export function murmur(hash: number): number {
  let code = Math.imul(hash, 0xcc9e2d51);
  code = (code << 15) | (code >>> 17);
  code = Math.imul(code, 0x1b873593);
  code = (code << 13) | (code >>> 19);
  code = (Math.imul(code, 5) + 0xe6546b64) | 0;
  code ^= 4;
  code = Math.imul(code ^ (code >>> 16), 0x85ebca6b);
  code = Math.imul(code ^ (code >>> 13), 0xc2b2ae35);
  code ^= code >>> 16;
  if (code >= 0) return code;
  return code === -0x8000_0000 ? 0 : -code;
}

/**
 * The key group of a key, 0..maxParallelism-1.
 *
 * Source: Flink's `KeyGroupRangeAssignment`.
 *
 * @param maxParallelism Number of key groups; not checked here, see {@link checkMaxParallelism}.
 * @throws {TypeError} If `key` is not a {@link Key}.
 */
export function keyGroupOf(key: Key, maxParallelism: number): number {
  return murmur(hashKey(key)) % maxParallelism;
}

/**
 * The key groups that one subtask owns.
 *
 * Ranges of subtasks `0..parallelism-1` are disjoint and cover `0..maxParallelism-1`, so restore can hand out state
 * without overlap.
 *
 * Source: Flink's `KeyGroupRangeAssignment`.
 *
 * @param subtaskIndex 0-based, `< parallelism`.
 * @returns Both ends inclusive.
 * @throws {RangeError} If `subtaskIndex` is outside `0..parallelism-1`, or the parallelism outside `1..maxParallelism`.
 */
export function keyGroupRangeOf(subtaskIndex: number, { parallelism, maxParallelism }: Parallelism): KeyGroupRange {
  checkMaxParallelism(maxParallelism, parallelism);
  if (!(Number.isInteger(subtaskIndex) && subtaskIndex >= 0 && subtaskIndex < parallelism)) {
    throw new RangeError(
      `Cannot assign key groups: subtaskIndex must be in 0..${parallelism - 1}, current value is ${subtaskIndex}`,
    );
  }
  return {
    start: Math.ceil((subtaskIndex * maxParallelism) / parallelism),
    end: Math.floor(((subtaskIndex + 1) * maxParallelism - 1) / parallelism),
  };
}

/**
 * The subtask that owns `keyGroup`, 0..parallelism-1.
 *
 * @param keyGroup 0..maxParallelism-1; not checked here, the call is made per record.
 */
export function operatorIndexOf(keyGroup: number, { parallelism, maxParallelism }: Parallelism): number {
  return Math.floor((keyGroup * parallelism) / maxParallelism);
}

/**
 * The number of key groups for an operator that names none: 1.5 times its parallelism, rounded up to a power of two, at
 * least 128 and at most {@link MAX_PARALLELISM_LIMIT}.
 *
 * @throws {RangeError} If `parallelism` is not an integer in 1..{@link MAX_PARALLELISM_LIMIT}.
 */
export function defaultMaxParallelism(parallelism: number): number {
  checkMaxParallelism(MAX_PARALLELISM_LIMIT, parallelism);
  const wanted = parallelism + Math.floor(parallelism / 2);
  let power = DEFAULT_LOWER_BOUND;
  while (power < wanted && power < MAX_PARALLELISM_LIMIT) power *= 2;
  return power;
}

/**
 * Throws unless `1 <= parallelism <= maxParallelism <= MAX_PARALLELISM_LIMIT`, all integers.
 *
 * @throws {RangeError} Naming the value that is out of range and what to change.
 */
export function checkMaxParallelism(maxParallelism: number, parallelism = 1): void {
  if (!Number.isInteger(maxParallelism) || maxParallelism < 1 || maxParallelism > MAX_PARALLELISM_LIMIT) {
    throw new RangeError(
      `Cannot use max parallelism ${maxParallelism}: it must be an integer in 1..${MAX_PARALLELISM_LIMIT}`,
    );
  }
  if (!Number.isInteger(parallelism) || parallelism < 1 || parallelism > maxParallelism) {
    throw new RangeError(
      `Cannot use parallelism ${parallelism}: it must be an integer in 1..${maxParallelism}, the max parallelism; ` +
        `lower the parallelism, or raise the max parallelism if the job has no state yet`,
    );
  }
}

/** The key groups in both ranges, or `undefined` if there are none. */
export function intersect(a: KeyGroupRange, b: KeyGroupRange): KeyGroupRange | undefined {
  const start = Math.max(a.start, b.start);
  const end = Math.min(a.end, b.end);
  return start <= end ? { start, end } : undefined;
}
