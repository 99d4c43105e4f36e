/**
 * Finds the name that a misspelt one was probably meant to be.
 *
 * Called by: core/config.ts, control/ for environment variables and flags.
 * Calls: nothing.
 *
 * @module
 */

/** Number of single-character insertions, deletions, replacements and swaps of neighbours between two strings. */
export function editDistance(left: string, right: string): number {
  const width = right.length + 1;
  let beforeLast = new Uint16Array(width);
  let last = Uint16Array.from({ length: width }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = new Uint16Array(width);
    current[0] = row;
    for (let column = 1; column < width; column++) {
      const same = left[row - 1] === right[column - 1];
      let best = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && left[row - 1] === right[column - 2] &&
        left[row - 2] === right[column - 1];
      if (swapped) best = Math.min(best, (beforeLast[column - 2] ?? 0) + 1);
      current[column] = best;
    }
    beforeLast = last;
    last = current;
  }
  return last[width - 1] ?? 0;
}

/**
 * Returns the candidate that is closest to `name`, or undefined when none is close: more than a third of the
 * characters differ. Case and the choice of `.`, `-` and `_` count for nothing; a candidate that ends or starts with
 * the name (`interval` for `execution.checkpointing.interval`) is close when it is the only one.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = folded(name);
  const parts: string[] = [];
  let best: string | undefined;
  let bestDistance = Math.min(wanted.length, Math.max(1, Math.floor(wanted.length / 3)) + 1);
  for (const candidate of candidates) {
    const given = folded(candidate);
    if (wanted.length >= 4 && (given.endsWith(`.${wanted}`) || given.startsWith(`${wanted}.`))) parts.push(candidate);
    const distance = editDistance(wanted, given);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? (parts.length === 1 ? parts[0] : undefined);
}

function folded(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, ".");
}
