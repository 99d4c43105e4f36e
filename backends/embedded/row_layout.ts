/**
 * How a row lies in the arena: a header of six words, padding, the key, and right behind it the value.
 *
 *     row    = next hash group key value room padding *octet *octet    ; words of 32 bits, then key, value, free room
 *     next   = next row in its bucket            ; a row is named by the index of its first word, 0 = none
 *     hash   = 30 bits of the row's hash
 *     group  = next row of the same list or map; of a group: its newest row
 *     key    = size of the key * 8 + kind
 *     value  = size of the value; of a group: rows that were linked since its last clear
 *     room   = bytes for a value, a multiple of 4
 *
 * The key ends at a multiple of four bytes, so that a value is copied by words.
 *
 * Called by: the files of the write buffer beside it.
 * Calls: nothing.
 *
 * @module
 */

/** Words of a header, by their index. */
export const NEXT = 0;
/** See {@link NEXT}. */
export const HASH = 1;
/** See {@link NEXT}. */
export const GROUP = 2;
/** See {@link NEXT}. */
export const KEY = 3;
/** See {@link NEXT}. */
export const VALUE = 4;
/** See {@link NEXT}. */
export const ROOM = 5;
/** Size of a header. */
export const HEADER_WORDS = 6;

/** Kinds beside those of a run (put, delete, delete-prefix): a list or map that was not cleared in this buffer. */
export const OPEN_GROUP = 3;
/** A row that counts no more: replaced, or cleared with its group. */
export const DEAD = 4;
/** The bits of the word KEY that are the kind. */
export const KIND_MASK = 7;
/** Of the kind, the bit that groups have and other rows have not. */
export const IS_GROUP = 2;
/** The bits of the word KEY that say what kind of thing has which size of key. */
export const IDENTITY_MASK: number = ~5;

/** Offset of the first byte of a row's value; its key ends there. */
export function valueStartOf(words: Int32Array, row: number): number {
  return (row + HEADER_WORDS + (((words[row + KEY]! >>> 3) + 3) >>> 2)) << 2;
}

/** Words of a row. */
export function rowWords(words: Int32Array, row: number): number {
  return HEADER_WORDS + (((words[row + KEY]! >>> 3) + 3) >>> 2) + (words[row + ROOM]! >>> 2);
}
