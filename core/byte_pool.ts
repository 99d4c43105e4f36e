/**
 * Small arrays of bytes that are cut from larger buffers: where the runtime gives each array a buffer of its own, making
 * one costs several times what it costs to copy bytes into it.
 *
 * Called by: core/bytes.ts, for readers of embedded backends.
 * Calls: nothing.
 *
 * Invariants:
 * - no byte is in two arrays, and none is handed out again.
 *
 * @module
 */

/** Bytes that are cut into arrays; the last array that is in use keeps all of it. */
const POOL_BYTES = 16_384;
/** Larger arrays have a buffer of their own. */
const MAX_POOLED_BYTES = POOL_BYTES / 16;
/** Copying byte by byte pays up to here. */
const SHORT_COPY = 64;

/** Makes arrays. */
export class BytePool {
  private buffer = new Uint8Array(0);
  private top = 0;

  /**
   * A copy of `source[start..start+size-1]`. Its `byteOffset` is a multiple of eight, so that arrays of other numbers
   * may be laid over its part of `buffer`.
   */
  copy(source: Uint8Array, start: number, size: number): Uint8Array<ArrayBuffer> {
    if (size > MAX_POOLED_BYTES || size === 0) return this.copyAlone(source, start, size);
    let at = this.top;
    // Also when somebody has transferred the buffer elsewhere: it is empty then.
    if (at + size > this.buffer.length) {
      this.buffer = new Uint8Array(POOL_BYTES);
      at = 0;
    }
    this.top = (at + size + 7) & ~7;
    const buffer = this.buffer;
    if (size > SHORT_COPY) buffer.set(source.subarray(start, start + size), at);
    else for (let i = start, end = start + size, to = at; i < end; i++) buffer[to++] = source[i]!;
    return buffer.subarray(at, at + size);
  }

  private copyAlone(source: Uint8Array, start: number, size: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(size);
    copy.set(source.subarray(start, start + size));
    return copy;
  }
}
