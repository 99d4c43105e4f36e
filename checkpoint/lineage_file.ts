/**
 * Writes a lineage as the text of its file, and reads it back.
 *
 *     file = "lineage 1 " above:decimal " " crc32:hex{8} "\n" origin "\n"
 *
 * `crc32` covers `above "\n" origin`; `origin` is empty for a lineage without state.
 *
 * Called by: filesystem_storage.ts.
 * Calls: core/.
 *
 * @module
 */
import { crc32 } from "../core/bytes.ts";
import { SnapshotCorruptError } from "../core/errors.ts";
import type { Lineage } from "./storage.ts";

const FORM = /^lineage 1 (0|[1-9][0-9]{0,14}) ([0-9a-f]{8})\n([^]*)\n$/;

/** Text of the file. */
export function encodeLineage({ above, origin }: Lineage): Uint8Array<ArrayBuffer> {
  const text = `lineage 1 ${above} ${checksum(String(above), origin ?? "")}\n${origin ?? ""}\n`;
  return new TextEncoder().encode(text);
}

/** @throws {SnapshotCorruptError} If it is not what was written. */
export function decodeLineage(bytes: Uint8Array, path: string): Lineage {
  const [, above = "", crc = "", origin = ""] = FORM.exec(new TextDecoder().decode(bytes)) ?? [];
  if (above === "" || crc !== checksum(above, origin)) {
    throw new SnapshotCorruptError(path, { reason: "it is not what was written" });
  }
  return { above: Number(above), origin: origin === "" ? null : origin };
}

function checksum(above: string, origin: string): string {
  return crc32(new TextEncoder().encode(`${above}\n${origin}`)).toString(16).padStart(8, "0");
}
