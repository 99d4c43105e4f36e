/**
 * Values of state together with the time at which they were last written: what a backend keeps of state with a time to
 * live, and how that becomes bytes.
 *
 * The time-to-live handles (backends/ttl/) declare an ordinary state of stamped values on a backend. A backend may treat
 * it like any other. One that knows {@link StampedSerializer} can do more: leave what is over out of snapshots, remove it
 * by itself, or keep stamps beside the values.
 *
 * Called by: backends/ttl/, the backends.
 * Calls: core/bytes.ts, core/serializer.ts.
 *
 * @module
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { Compatibility, Serializer, SerializerSnapshot } from "./serializer.ts";
import type { Namespaced, ValueState } from "./state.ts";
import type { TtlSettings } from "./state_ttl.ts";

/** Bytes of a stamp, in front of the value's own. */
export const STAMP_BYTES = 8;

const TWO_TO_32 = 0x1_0000_0000;

/** A value and when it was written. */
export class Stamped<T> {
  /** @param stampMs Wall clock at the last write that counts, milliseconds since the epoch, an integer. */
  constructor(public stampMs: number, public value: T) {}
}

/** Removes by itself what is over. */
export interface Sweeper {
  /** Looks at `entries` (≥ 1) more entries of the state, and begins again behind the last; only between two accesses. */
  sweep(entries: number, nowMs: number): void;
  /** `AccessTime.baseMs` has moved: what the backend keeps as ticks must follow. @param fromMs Where it was. */
  rebase(fromMs: number): void;
}

/** What time it is for accesses to state: it stands still within a slice. */
export interface AccessTime {
  /** The clock when the slice began, milliseconds since the epoch, an integer. */
  readonly nowMs: number;
  /** The same as an integer of 32 bits: milliseconds since `baseMs`. Never {@link FAR_TICK}. */
  readonly tick: number;
  /** May move; sweepers are told. */
  readonly baseMs: number;
}

/** Stands for a stamp that no tick can say. */
export const FAR_TICK = -0x8000_0000;

/** When the values of one state are over; shared by its handles and the backend below. */
export class Expiry {
  /** Set by a backend that can remove by itself what is over. */
  sweeper: Sweeper | undefined = undefined;
  /** What has a later tick lives; of the others, stamps tell. An integer of 32 bits, for the slice. */
  limitTick: number = FAR_TICK;
  /** Whether a read begins a life anew. */
  readonly updatesOnRead: boolean;
  /** Whether the read that finds a value over may give it. */
  readonly returnsOver: boolean;

  /** @param nowMs The wall clock, for what is no access. */
  constructor(readonly settings: TtlSettings, readonly time: AccessTime, readonly nowMs: () => number) {
    this.updatesOnRead = settings.update === "on-read-and-write";
    this.returnsOver = settings.visibility === "return-expired-if-not-cleaned-up";
  }

  /** Whether a value that was written at `stampMs` is over. Large numbers never wrap around. */
  isOver(stampMs: number, nowMs: number): boolean {
    return stampMs + this.settings.timeMs <= nowMs;
  }
}

/** Writes the stamp in 8 bytes, then the value with the serializer of the state. */
export class StampedSerializer<T> implements Serializer<Stamped<T>> {
  readonly id: string;
  readonly version: number;
  readonly schemaVersion: number;
  readonly immutable = false;
  /** What `read` returns each time, when it may. */
  private readonly box: Stamped<T> | undefined;

  /**
   * @param inner Writes the values.
   * @param reusesBox Whether the one who reads is done with what was read before it reads again, and keeps it nowhere.
   */
  constructor(readonly inner: Serializer<T>, readonly expiry: Expiry, private readonly reusesBox: boolean) {
    this.id = inner.id;
    this.version = inner.version;
    this.schemaVersion = inner.schemaVersion ?? 1;
    // Filled before it is seen.
    this.box = reusesBox ? new Stamped(0, undefined as T) : undefined;
  }

  /** The same around another serializer. */
  around(inner: Serializer<T>): StampedSerializer<T> {
    return inner === this.inner ? this : new StampedSerializer(inner, this.expiry, this.reusesBox);
  }

  write(stamped: Stamped<T>, out: ByteWriter): void {
    writeStamp(out, stamped.stampMs);
    this.inner.write(stamped.value, out);
  }

  read(input: ByteReader): Stamped<T> {
    const stampMs = readStamp(input);
    const value = this.inner.read(input);
    const { box } = this;
    if (box === undefined) return new Stamped(stampMs, value);
    box.stampMs = stampMs;
    box.value = value;
    return box;
  }

  check(stamped: Stamped<T>, where: string): void {
    this.inner.check?.(stamped.value, where);
  }

  /** Of the bytes behind the stamp. A backend that restores asks `inner` itself, as stamps come and go. */
  compatibilityWith(previous: SerializerSnapshot): Compatibility {
    return this.inner.compatibilityWith(previous);
  }
}

/** Appends a stamp. */
export function writeStamp(out: ByteWriter, stampMs: number): void {
  out.u32(Math.floor(stampMs / TWO_TO_32));
  out.u32(stampMs);
}

/** Reads a stamp. */
export function readStamp(input: ByteReader): number {
  const high = input.u32() | 0;
  return high * TWO_TO_32 + input.u32();
}

/** The stamp in `bytes[start..start+7]`. */
export function stampAt(bytes: Uint8Array, start: number): number {
  const high = (bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!;
  const low = (bytes[start + 4]! << 24) | (bytes[start + 5]! << 16) | (bytes[start + 6]! << 8) | bytes[start + 7]!;
  return high * TWO_TO_32 + (low >>> 0);
}

/** What a value state of stamped values offers besides, when its backend knows itself what lives and need make no object. */
export interface LivingValues<T> {
  /**
   * The handle that users get: of values without stamps, which begins lives anew and removes what is over as the
   * {@link StampedSerializer} of the state says.
   */
  living(makeDefault: (() => T) | undefined): ValueState<T> & Namespaced;
}
