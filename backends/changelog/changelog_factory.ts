/**
 * Makes backends with a changelog around those of another factory.
 *
 * Called by: control/stream_environment.ts, by dynamic import; tests and benches.
 * Calls: changelog_backend.ts.
 *
 * @module
 */
import type { StateBackendFactory } from "../../core/backend.ts";
import { ChangelogBackend, type ChangelogSettings } from "./changelog_backend.ts";

/** What a changelog does unless it is told otherwise. */
export const DEFAULT_CHANGELOG: ChangelogSettings = {
  inFiles: true,
  compress: false,
  inlineBytes: 16_384,
  preemptiveBytes: 5_242_880,
  intervalMs: 600_000,
  toleratedFailures: 3,
  maxAttempts: 3,
  timeoutMs: 1_000,
  retryDelayMs: 500,
  maxInFlightBytes: 104_857_600,
};

/** The factory of backends with a changelog in front of those of `inner`. */
export function changelogFactory(
  inner: StateBackendFactory,
  settings: Partial<ChangelogSettings> = {},
): StateBackendFactory {
  const all = { ...DEFAULT_CHANGELOG, ...settings };
  return {
    name: inner.name,
    create: (context) => new ChangelogBackend(context, inner.create(context), all),
    ...(inner.memoryReport !== undefined && { memoryReport: () => inner.memoryReport!() }),
    ...(inner.close !== undefined && { close: () => inner.close!() }),
  };
}
