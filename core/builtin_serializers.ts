/**
 * The built-in serializers by what a snapshot remembers of them, so that values can be read whose state has another
 * serializer now.
 *
 * Called by: state_schema.ts; tools that read snapshots.
 * Calls: the serializers.
 *
 * @module
 */
import { auto } from "./auto_serializer.ts";
import { cbor } from "./cbor_serializer.ts";
import { bigint, bool, bytes, f64, type Serializer, str } from "./serializer.ts";

// What they write is checked by themselves, so each may stand for a serializer of anything.
const BUILT_IN = [auto(), cbor(), f64, str, bytes, bool, bigint] as readonly Serializer<unknown>[];

/** The built-in serializer that wrote as `id` in format `version`; undefined when none did. */
export function builtInSerializer(id: string, version: number): Serializer<unknown> | undefined {
  return BUILT_IN.find((serializer) => serializer.id === id && serializer.version === version);
}
