/**
 * Compares tokens in constant time.
 *
 * Called by: control/http/guard.ts.
 * Calls: `node:crypto`.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";

/**
 * Whether an `Authorization` header carries the token. Takes the same time whatever it holds: digests are compared,
 * which are of one length.
 */
export function carriesToken(header: string | null, token: string): boolean {
  const given = /^bearer +(\S+) *$/i.exec(header ?? "")?.[1] ?? "";
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
