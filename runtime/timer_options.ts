/**
 * Declares the options of timers: where they are kept, and how many of those on disk are in memory as well.
 *
 * Called by: runtime/timer_settings.ts (reads them), control/ (checks and documents them).
 * Calls: core/config_option.ts.
 *
 * @module
 */
import type { AnyOption } from "../core/config.ts";
import { type ConfigOption, enumOption, intOption } from "../core/config_option.ts";

/** Timers of each key group in memory, unless told otherwise. Source: Flink's `timer-service.cache-size`. */
export const DEFAULT_TIMER_CACHE_SIZE = 128;

/** Rows of the backend's store on disk, or objects in memory. */
export type TimerQueueKind = "embedded" | "heap";

/** The options of one backend, or of every backend. */
export interface TimerOptions {
  /** Where timers are kept; undefined: where the backend keeps state. */
  readonly factory: ConfigOption<TimerQueueKind | undefined>;
  /** Timers of each key group in memory. */
  readonly cacheSize: ConfigOption<number | undefined>;
}

function timerOptions(prefix: string, oldPrefixes: readonly string[], preceding: string): TimerOptions {
  return {
    factory: enumOption<TimerQueueKind, undefined>(`${prefix}timer-service.factory`, ["embedded", "heap"], {
      default: undefined,
      oldNames: oldPrefixes.map((old) => `${old}timer-service.factory`),
      oldValues: { rocksdb: "embedded", forstdb: "embedded" },
      description:
        "Where timers are kept: as rows of the backend's store on disk (`embedded`, also spelled `rocksdb`) " +
        `or in memory (\`heap\`).${preceding}`,
    }),
    cacheSize: intOption(`${prefix}timer-service.cache-size`, {
      default: undefined,
      min: 1,
      oldNames: oldPrefixes.map((old) => `${old}timer-service.cache-size`),
      description:
        "How many of the earliest timers of each key group an `embedded` queue keeps in memory; fewer when " +
        `there are over 512 key groups.${preceding}`,
    }),
  };
}

/** For every backend; those of a backend win. */
export const TIMERS: TimerOptions = timerOptions(
  "",
  [],
  ` Unset: \`embedded\` where state is on disk, and ${DEFAULT_TIMER_CACHE_SIZE} timers.`,
);

const PRECEDES = "Wins over the option without the backend's name.";

/** For one backend, by its name. */
export const TIMERS_OF_BACKEND: Readonly<Record<string, TimerOptions>> = {
  lsm: timerOptions("state.backend.lsm.", ["state.backend.rocksdb."], ` ${PRECEDES}`),
  lmdb: timerOptions("state.backend.lmdb.", [], ` ${PRECEDES}`),
};

/** Every option of timers, in the order of the reference page. */
export const TIMER_OPTIONS: readonly AnyOption[] = [TIMERS, ...Object.values(TIMERS_OF_BACKEND)].flatMap((
  { factory, cacheSize },
) => [factory, cacheSize]);
