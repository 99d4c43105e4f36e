/**
 * Derives a 128-bit id from a text, the same on every machine and for ever.
 *
 * Called by: runtime/job_graph.ts (operator ids), runtime/job_settings.ts (job id).
 * Calls: nothing.
 *
 * @module
 */
const OFFSET_BASIS = 0x6c62272e07bb014262b821756295c58dn;
const PRIME = 0x0000000001000000000000000000013bn;
const MASK = (1n << 128n) - 1n;

/**
 * Hashes a text.
 *
 * Source: FNV-1a, 128 bits, over the UTF-8 bytes.
 *
 * @returns 32 lowercase hex digits.
 */
export function stableId(text: string): string {
  let hash = OFFSET_BASIS;
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * PRIME) & MASK;
  return hash.toString(16).padStart(32, "0");
}
