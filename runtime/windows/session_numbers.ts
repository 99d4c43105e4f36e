/**
 * The windows of a key that merge, as numbers in one value: beginning, end and place of each. The place is the namespace of
 * what the window keeps; it is small and free again when the window goes, so that keys share places.
 *
 * Called by: runtime/windows/session_operator.ts, runtime/windows/merging_windows.ts.
 * Calls: core/descriptors.ts.
 *
 * @module
 */
import type { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { valueState, type ValueStateDescriptor } from "../../core/descriptors.ts";
import { compatibilityOf, type Serializer } from "../../core/serializer.ts";

/** Numbers per window: beginning, end, place. */
export const STRIDE = 3;

/** 8 bytes a number: `*( startMs endMs place )`. */
const numbers: Serializer<number[]> = {
  id: "window-numbers",
  version: 1,
  immutable: false,
  write(value: number[], out: ByteWriter): void {
    for (let i = 0; i < value.length; i++) out.f64(value[i]!);
  },
  read(input: ByteReader): number[] {
    const value: number[] = [];
    while (input.remaining > 0) value.push(input.f64());
    return value;
  },
  compatibilityWith: (previous) => compatibilityOf(numbers, previous),
};

/** The state of both; null when the key has no windows. */
export function sessionNumbers(): ValueStateDescriptor<number[] | null> {
  return valueState<number[]>("_window/merging", { serializer: numbers });
}

/** The smallest place that none of the windows has. */
export function freePlace(windows: readonly number[]): number {
  for (let place = 0;; place++) {
    let isFree = true;
    for (let i = 2; i < windows.length; i += STRIDE) if (windows[i] === place) isFree = false;
    if (isFree) return place;
  }
}

/** Where in the numbers the window with this place begins; -1 if there is none. */
export function indexOfPlace(windows: readonly number[], place: number): number {
  for (let i = 0; i < windows.length; i += STRIDE) if (windows[i + 2] === place) return i;
  return -1;
}
