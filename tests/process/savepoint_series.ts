/** What tests/process/savepoint_series_script.ts counts. */

/** A key's count is committed at 0, at so many, at twice as many, … */
export const EVERY = 100;

/** One key in this many comes again after its first time. */
const HOT_SHARE = 10;

/** Key of a record: each of `keys` once, then the first tenth of them in turn. So most state does not change. */
export function keyOf(index: number, keys: number): number {
  return index < keys ? index : (index - keys) % (keys / HOT_SHARE);
}

/** All that must be committed when so many records, at least one of each key, were read; sorted. */
export function countsOf(records: number, keys: number): string[] {
  const hot = keys / HOT_SHARE;
  const lines: string[] = [];
  for (let key = 0; key < keys; key++) {
    const count = key < hot ? 1 + Math.ceil((records - keys - key) / hot) : 1;
    for (let at = 0; at < count; at += EVERY) lines.push(`${key}:${at}`);
  }
  return lines.sort();
}
