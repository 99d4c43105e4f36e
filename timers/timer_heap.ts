/**
 * Orders timer ids by timestamp: a 4-ary min-heap in typed arrays, so that sifting touches no object.
 *
 * Called by: timers/heap_timer_queue.ts, timers/frozen_timers.ts.
 * Calls: nothing.
 *
 * Invariants:
 * - `times[0]` is the smallest timestamp, +Infinity when the heap is empty;
 * - `ids[position[id]] === id` for each id in the heap, `position[id] === -1` for every other.
 *
 * @module
 */

/** Not a power of two: a queue's heap and its table must not grow at the same timer. */
const INITIAL_CAPACITY = 24;
/** Places behind the last: siftDown looks at four children when only the first exists. */
const PADDING = 3;

/** Small integers ordered by a number each. */
export class TimerHeap {
  /** Number of ids in the heap. */
  size = 0;
  /** Timestamp of each place of the heap. */
  times: Float64Array = new Float64Array(INITIAL_CAPACITY + PADDING).fill(Number.POSITIVE_INFINITY);
  /** Place of each id, -1 when it is not in the heap; longer than the largest id. */
  position: Int32Array = new Int32Array(INITIAL_CAPACITY).fill(-1);
  private ids = new Int32Array(INITIAL_CAPACITY);

  /** Whether `id` is in the heap. @param id At most the largest id ever pushed. */
  has(id: number): boolean {
    return this.position[id]! >= 0;
  }

  /** The id with the smallest timestamp; the heap must not be empty. */
  first(): number {
    return this.ids[0]!;
  }

  /** Adds an id that is not in the heap. */
  push(timestampMs: number, id: number): void {
    if (id >= this.position.length) this.growPositions(id + 1);
    if (this.size === this.ids.length) this.growPlaces();
    this.siftUp(this.size++, timestampMs, id);
  }

  /** Takes out an id that is in the heap. */
  remove(id: number): void {
    const place = this.position[id]!;
    this.position[id] = -1;
    const last = --this.size;
    const lastTime = this.times[last]!;
    const lastId = this.ids[last]!;
    // Empty places are +Infinity, so siftDown need not ask how many of the four children there are.
    this.times[last] = Number.POSITIVE_INFINITY;
    if (place === last) return;
    if (place > 0 && lastTime < this.times[(place - 1) >> 2]!) this.siftUp(place, lastTime, lastId);
    else this.siftDown(place, lastTime, lastId);
  }

  private siftUp(place: number, timestampMs: number, id: number): void {
    const times = this.times;
    const ids = this.ids;
    const position = this.position;
    while (place > 0) {
      const parent = (place - 1) >> 2;
      const parentTime = times[parent]!;
      if (timestampMs >= parentTime) break;
      const parentId = ids[parent]!;
      times[place] = parentTime;
      ids[place] = parentId;
      position[parentId] = place;
      place = parent;
    }
    times[place] = timestampMs;
    ids[place] = id;
    position[id] = place;
  }

  private siftDown(place: number, timestampMs: number, id: number): void {
    const times = this.times;
    const ids = this.ids;
    const position = this.position;
    const size = this.size;
    for (let child = (place << 2) + 1; child < size; child = (place << 2) + 1) {
      let least = child;
      let leastTime = times[child]!;
      let time = times[child + 1]!;
      if (time < leastTime) {
        least = child + 1;
        leastTime = time;
      }
      time = times[child + 2]!;
      if (time < leastTime) {
        least = child + 2;
        leastTime = time;
      }
      time = times[child + 3]!;
      if (time < leastTime) {
        least = child + 3;
        leastTime = time;
      }
      if (leastTime >= timestampMs) break;
      const leastId = ids[least]!;
      times[place] = leastTime;
      ids[place] = leastId;
      position[leastId] = place;
      place = least;
    }
    times[place] = timestampMs;
    ids[place] = id;
    position[id] = place;
  }

  private growPositions(needed: number): void {
    const next = new Int32Array(Math.max(needed, this.position.length * 2)).fill(-1, this.position.length);
    next.set(this.position);
    this.position = next;
  }

  private growPlaces(): void {
    const capacity = this.ids.length * 2;
    const ids = new Int32Array(capacity);
    ids.set(this.ids);
    this.ids = ids;
    const times = new Float64Array(capacity + PADDING).fill(Number.POSITIVE_INFINITY, this.times.length);
    times.set(this.times);
    this.times = times;
  }
}
