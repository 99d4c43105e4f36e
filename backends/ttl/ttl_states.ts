/**
 * Opens states with a time to live on a backend, whichever it is: for each an ordinary state of stamped values, and a
 * handle that shows of them what lives.
 *
 * Called by: runtime/keyed_states.ts.
 * Calls: the backend, the handles in this folder.
 *
 * Invariants:
 * - nothing but this knows whether a value is over; a backend may remove what is over, but need not.
 *
 * @module
 */
import { auto } from "../../core/auto_serializer.ts";
import type { StateBackend } from "../../core/backend.ts";
import type { StateDescriptor, ValueStateDescriptor } from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import type { Serializer } from "../../core/serializer.ts";
import { Expiry, type LivingValues, type Stamped, StampedSerializer } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import type { TtlSettings } from "../../core/state_ttl.ts";
import { openAggregating, openReducing } from "./ttl_folds.ts";
import { TtlList } from "./ttl_list.ts";
import { TtlMap } from "./ttl_map.ts";
import { TtlTime } from "./ttl_time.ts";
import { TtlValue } from "./ttl_value.ts";

/** The states with a time to live of one backend. */
export class TtlStates {
  /** The handle of a state with a time to live, by the same overloads as those of a backend. */
  readonly state: StateBackend["state"];
  private readonly time: TtlTime;
  private readonly expiries = new Map<string, Expiry>();
  /** What the backend knows each state as, by its name. */
  private readonly stored = new Map<string, StateDescriptor>();
  private readonly below: Pick<StateBackend, "state">;

  /** @param nowMs The wall clock, milliseconds since the epoch. */
  constructor(private readonly backend: StateBackend, private readonly nowMs: () => number) {
    this.time = new TtlTime(nowMs);
    this.below = {
      // As for `state`.
      state: ((descriptor: StateDescriptor) => {
        this.stored.set(descriptor.name, descriptor);
        return (backend.state as (one: StateDescriptor) => Namespaced).call(backend, descriptor);
      }) as StateBackend["state"],
    };
    // The handle is of the kind of its descriptor, which is what the overloads say.
    this.state = ((descriptor: StateDescriptor) => this.open(descriptor)) as StateBackend["state"];
  }

  /** Whether a state of that name has a time to live. */
  has(name: string): boolean {
    return this.expiries.has(name);
  }

  /** What the backend knows the state as; undefined for one without a time to live. */
  storedAs(name: string): StateDescriptor | undefined {
    return this.stored.get(name);
  }

  /** Time has passed since the last access. */
  beginSlice(): void {
    this.time.beginSlice();
  }

  /** Time may pass until the next access. @param recordCount Records of the operator so far. */
  endSlice(recordCount: number): void {
    this.time.endSlice(recordCount);
  }

  private open(descriptor: StateDescriptor): Namespaced {
    const isKnown = this.has(descriptor.name);
    const expiry = this.expiryOf(descriptor);
    const handle = this.openHandle(descriptor, expiry);
    const { sweeper, settings: { cleanup: { incremental } } } = expiry;
    if (!isKnown && incremental !== false && sweeper !== undefined) this.time.add({ sweeper, ...incremental });
    return handle;
  }

  /** One for all handles of a state, as the backend knows one. @throws {StreamError} If the state has another time to live. */
  private expiryOf({ name, ttl }: StateDescriptor): Expiry {
    if (ttl === undefined) {
      throw new StreamError("invalid", `Cannot open state "${name}": it has no time to live; open it on its backend`);
    }
    const known = this.expiries.get(name);
    if (known === undefined) {
      const expiry = new Expiry(ttl, this.time, this.nowMs);
      this.expiries.set(name, expiry);
      this.time.follow(expiry);
      return expiry;
    }
    if (!sameSettings(known.settings, ttl)) {
      throw new StreamError(
        "invalid",
        `Cannot declare state "${name}" with another time to live than before: use one descriptor for both`,
      );
    }
    return known;
  }

  private openHandle(descriptor: StateDescriptor, expiry: Expiry): Namespaced {
    const { backend, below, time } = this;
    const { kind, name } = descriptor;
    const where = `state "${name}"`;
    const inner: Serializer<unknown> = descriptor.serializer ?? auto<unknown>();
    // Elements and entries are read many at a time, so each needs a box of its own.
    const serializer = new StampedSerializer(inner, expiry, kind === "value" && backend.storesBytes);
    switch (descriptor.kind) {
      case "value":
        return this.openValue(descriptor, serializer);
      case "list":
        return new TtlList(below.state<Stamped<unknown>>({ kind: "list", name, serializer }), time, expiry, where);
      case "map":
        return new TtlMap(
          below.state<unknown, Stamped<unknown>>({ kind: "map", name, serializer }),
          time,
          expiry,
          where,
        );
      case "reducing":
        return openReducing(below, descriptor, serializer, time);
      case "aggregating":
        return openAggregating(below, descriptor, serializer, time);
    }
  }

  private openValue(
    descriptor: ValueStateDescriptor<unknown>,
    serializer: StampedSerializer<unknown>,
  ): ValueState<unknown> & Namespaced {
    const state = this.below.state<Stamped<unknown> | null>({
      kind: "value",
      name: descriptor.name,
      // Null is never stored.
      serializer: serializer as Serializer<Stamped<unknown> | null>,
      makeDefault: undefined,
    });
    return knowsWhatLives(state)
      ? state.living(descriptor.makeDefault)
      : new TtlValue(state, descriptor, serializer.expiry, this.backend.storesBytes);
  }
}

/** Whether a backend keeps stamps in a way of its own. */
function knowsWhatLives(state: object): state is LivingValues<unknown> {
  return "living" in state;
}

function sameSettings(left: TtlSettings, right: TtlSettings): boolean {
  return left.timeMs === right.timeMs && left.update === right.update && left.visibility === right.visibility;
}
