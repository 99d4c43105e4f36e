/**
 * Declares how long a value of keyed state lives after it was written, or read.
 *
 * Called by: users (through `mod.ts`), core/descriptors.ts; backends/ttl/ does what is declared here.
 * Calls: core/config_units.ts.
 *
 * @module
 */
import { parseDurationMs } from "./config_units.ts";

/** When values whose time is over are removed, besides when they are read. */
export interface TtlCleanupOptions {
  /**
   * Whether full snapshots on the heap, and canonical savepoints of every backend, leave them out. Default true. Files of
   * a store on disk go into checkpoints as they are.
   */
  readonly fullSnapshot?: boolean;
  /** Whether state on the heap looks for them little by little as records come, or how thoroughly. Default `{ entries: 5 }`. */
  readonly incremental?: false | IncrementalCleanup;
  /** Whether compaction of the backend `lsm` leaves them out. Default true. */
  readonly compaction?: boolean;
}

/** How thoroughly state on the heap looks for what is over. */
export interface IncrementalCleanup {
  /**
   * Values, list elements and map entries looked at for each record of the operator, between two slices of work, at most
   * 16,384 at once; an integer ≥ 1. Default 5.
   */
  readonly entries?: number;
  /** Whether twice as many are looked at, as Flink does for a record that accesses the state. Default false. */
  readonly everyRecord?: boolean;
}

/** Options of {@link stateTtl}. */
export interface StateTtlOptions {
  /** Time to live in milliseconds, an integer ≥ 1 or Infinity, or as text: "10 min", "1 h", "30 d". */
  readonly time: number | string;
  /** What begins the life of a value anew: writing it, or reading it as well. Default "on-create-and-write". */
  readonly update?: TtlSettings["update"];
  /**
   * Whether a read may give a value whose time is over, once, when nothing has removed it yet. Default
   * "never-return-expired".
   */
  readonly visibility?: TtlSettings["visibility"];
  /** See there for the defaults. */
  readonly cleanup?: TtlCleanupOptions;
}

/** The time to live of a state, as `stateTtl` returns it. */
export interface TtlSettings {
  /** Time to live, milliseconds; ≥ 1, possibly Infinity. */
  readonly timeMs: number;
  /** See {@link StateTtlOptions.update}. */
  readonly update: "on-create-and-write" | "on-read-and-write";
  /** See {@link StateTtlOptions.visibility}. */
  readonly visibility: "never-return-expired" | "return-expired-if-not-cleaned-up";
  /** See {@link TtlCleanupOptions}. */
  readonly cleanup: {
    readonly fullSnapshot: boolean;
    readonly incremental: false | { readonly entries: number; readonly everyRecord: boolean };
    readonly compaction: boolean;
  };
}

const UPDATES: readonly string[] = ["on-create-and-write", "on-read-and-write"] satisfies TtlSettings["update"][];
const VISIBILITIES: readonly string[] = [
  "never-return-expired",
  "return-expired-if-not-cleaned-up",
] satisfies TtlSettings["visibility"][];
/** As in Flink. */
const DEFAULT_ENTRIES = 5;

/**
 * A time to live for keyed state, to be given as `ttl` to `valueState` and its kin. Time is the wall clock; list elements
 * and map entries live each on its own.
 *
 * @example
 * ```ts
 * import { stateTtl, valueState } from "../mod.ts";
 *
 * const session = valueState<string>("session", {
 *   ttl: stateTtl({ time: "30 min", update: "on-read-and-write" }),
 * });
 * if (session.ttl?.timeMs !== 1_800_000) throw new Error("half an hour");
 * ```
 *
 * @throws {TypeError} If an option has a value that it cannot have. @throws {RangeError} If a number is out of range.
 */
export function stateTtl(options: StateTtlOptions): TtlSettings {
  if (typeof options !== "object" || options === null) refuse("the options", options, "an object with `time`");
  const { time, update = "on-create-and-write", visibility = "never-return-expired", cleanup = {} } = options;
  if (!UPDATES.includes(update)) refuse("update", update, oneOf(UPDATES));
  if (!VISIBILITIES.includes(visibility)) refuse("visibility", visibility, oneOf(VISIBILITIES));
  const { fullSnapshot = true, incremental = {}, compaction = true } = cleanup;
  if (typeof fullSnapshot !== "boolean") refuse("cleanup.fullSnapshot", fullSnapshot, "true or false");
  if (typeof compaction !== "boolean") refuse("cleanup.compaction", compaction, "true or false");
  return Object.freeze({
    timeMs: timeMsOf(time),
    update,
    visibility,
    cleanup: Object.freeze({ fullSnapshot, incremental: incrementalOf(incremental), compaction }),
  });
}

/** The settings that `ttl` in the options of a state stands for: a time alone, or what `stateTtl` returned. */
export function ttlOf(ttl: number | string | TtlSettings): TtlSettings {
  if (typeof ttl === "number" || typeof ttl === "string") return stateTtl({ time: ttl });
  if (typeof ttl !== "object" || ttl === null || typeof ttl.timeMs !== "number") {
    refuse("ttl", ttl, 'a time such as "1 h", milliseconds, or what stateTtl() returns');
  }
  return ttl;
}

function timeMsOf(time: unknown): number {
  if (typeof time !== "number" && typeof time !== "string") {
    refuse("time", time, 'a time such as "1 h", or milliseconds');
  }
  const timeMs = typeof time === "string" ? parseDurationMs(time) : time;
  if (timeMs === undefined) refuse("time", time, 'a time such as "10 min" or "1 h"');
  if (timeMs !== Infinity && !(Number.isSafeInteger(timeMs) && timeMs >= 1)) {
    throw new RangeError(
      `Cannot declare a time to live: time is ${time}, it must be at least 1 ms in whole milliseconds; leave the option ` +
        `out for state that lives for ever`,
    );
  }
  return timeMs;
}

function incrementalOf(incremental: unknown): TtlSettings["cleanup"]["incremental"] {
  if (incremental === false) return false;
  if (typeof incremental !== "object" || incremental === null) {
    refuse("cleanup.incremental", incremental, "false or an object");
  }
  const { entries = DEFAULT_ENTRIES, everyRecord = false } = incremental as IncrementalCleanup; // its fields are checked next
  if (!Number.isSafeInteger(entries) || entries < 1) {
    throw new RangeError(
      `Cannot declare a time to live: cleanup.incremental.entries is ${entries}, it must be an integer of at least 1; ` +
        `set cleanup.incremental to false to switch it off`,
    );
  }
  if (typeof everyRecord !== "boolean") refuse("cleanup.incremental.everyRecord", everyRecord, "true or false");
  return Object.freeze({ entries, everyRecord });
}

function oneOf(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(" or ");
}

function refuse(option: string, value: unknown, must: string): never {
  const shown = typeof value === "object" && value !== null ? "an object" : JSON.stringify(value) ?? String(value);
  throw new TypeError(`Cannot declare a time to live: ${option} is ${shown}, it must be ${must}`);
}
