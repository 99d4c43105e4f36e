/**
 * Writes and reads the named lists of non-keyed state that an operator puts
 * into a checkpoint.
 *
 * Called by: runtime/operators/.
 * Calls: core/ serializers.
 *
 * @module
 */
import { auto } from "../core/auto_serializer.ts";
import { ByteReader, ByteWriter } from "../core/bytes.ts";
import { MAX_WATERMARK, MIN_WATERMARK } from "../core/element.ts";
import { snapshotOf } from "../core/serializer.ts";
import type { ListDistribution, OperatorList } from "../core/snapshot.ts";

const anything = auto<unknown>();

/** A list of values, each written by the default serializer. */
export function listOf(distribution: ListDistribution, values: readonly unknown[]): OperatorList {
  const writer = new ByteWriter();
  return {
    distribution,
    serializer: snapshotOf(anything),
    items: values.map((value) => {
      writer.reset();
      anything.write(value, writer);
      return writer.copy();
    }),
  };
}

/** The values of a list; none when the checkpoint has no such list. */
export function valuesOf(list: OperatorList | undefined): unknown[] {
  return list === undefined ? [] : list.items.map((item) => anything.read(new ByteReader(item)));
}

/** A watermark, as union state: after a rescale every subtask starts at the minimum of all. */
export function watermarkList(watermarkMs: number): OperatorList {
  return listOf("union", [watermarkMs]);
}

/**
 * The minimum of the restored watermarks. That of the end of event time is none to go on from: a source whose input has
 * ended says so again, and after a drain event time begins anew.
 */
export function watermarkOf(list: OperatorList | undefined): number {
  const watermarks = valuesOf(list).map(Number);
  const smallest = Math.min(...watermarks);
  return watermarks.length === 0 || smallest === MAX_WATERMARK ? MIN_WATERMARK : smallest;
}
