/**
 * The states of a backend with a changelog: their lines in the state tables of segments, and their handles.
 *
 * Called by: changelog_backend.ts.
 * Calls: log_slot.ts, logged_handles.ts, fold_probe.ts, ../states/state_checks.ts.
 *
 * @module
 */
import { auto } from "../../core/auto_serializer.ts";
import type { StateBackend } from "../../core/backend.ts";
import type { StateDescriptor } from "../../core/descriptors.ts";
import type { Serializer } from "../../core/serializer.ts";
import type { KeyedStateHandle, SnapshotReader } from "../../core/snapshot.ts";
import type { Key } from "../../core/key.ts";
import type { MapState, Namespaced } from "../../core/state.ts";
import type { RunState } from "../runs/run_format.ts";
import { OpenRun } from "../runs/open_run.ts";
import { restoredReadersOf } from "../states/restored_readers.ts";
import { formatOf, rowsState, sameFormat, StateIds, writerOf } from "../states/state_checks.ts";
import { FoldProbe } from "./fold_probe.ts";
import { type LoggedState, LogSlot, type LogTarget } from "./log_slot.ts";
import { LoggedAggregating, LoggedList, LoggedMap, LoggedReducing, LoggedValue } from "./logged_handles.ts";

/** The states of one backend, by name. */
export class LoggedStates {
  private readonly states = new Map<string, LoggedState>();
  /** Of the folding states: one for all handles of a state, as the backend below may keep to the functions it had first. */
  private readonly probes = new Map<string, FoldProbe>();
  private readonly ids = new StateIds();
  private readonly table: RunState[] = [];
  /** What was restored, by name: each format of the values. */
  private readonly restored = new Map<string, RunState[]>();

  /** @param onMigration Told when a state is declared whose restored values are written anew. */
  constructor(private readonly target: LogTarget, private readonly onMigration: () => void) {}

  /** Looks at the state tables of what is about to be restored. */
  async noteRestored({ runs }: KeyedStateHandle, reader: SnapshotReader): Promise<void> {
    for (const run of runs) {
      const opened = await OpenRun.openSnapshot(run, reader);
      opened.close();
      for (const state of opened.states) {
        const formats = this.restored.get(state.name) ?? [];
        if (!formats.some((format) => sameFormat(format, state))) formats.push(state);
        this.restored.set(state.name, formats);
      }
    }
  }

  /** The state table of a segment that ends now. */
  get lines(): readonly RunState[] {
    return this.table.slice();
  }

  /** The line for rows of another owner. */
  ownLine(name: string): RunState {
    const line = rowsState(this.ids.take(), name);
    this.table.push(line);
    return line;
  }

  /** The descriptor that the backend below is given. */
  below(descriptor: StateDescriptor): StateDescriptor {
    if (descriptor.kind === "reducing") return this.probeOf(descriptor).reducing(descriptor);
    if (descriptor.kind === "aggregating") return this.probeOf(descriptor).aggregating(descriptor);
    return descriptor;
  }

  private probeOf({ name }: StateDescriptor): FoldProbe {
    const known = this.probes.get(name);
    if (known !== undefined) return known;
    const made = new FoldProbe();
    this.probes.set(name, made);
    return made;
  }

  /** The handle of a state. @throws {StreamError} As the backend below does. */
  handle(descriptor: StateDescriptor, inner: StateBackend): unknown {
    switch (descriptor.kind) {
      case "value": {
        const below = inner.state(descriptor);
        return new LoggedValue(below, this.slot(descriptor));
      }
      case "list": {
        const below = inner.state(descriptor);
        return new LoggedList(below, this.slot(descriptor));
      }
      case "map": {
        const below = inner.state(descriptor);
        // A map's keys follow the rules of actor keys.
        return new LoggedMap(below as MapState<Key, unknown> & Namespaced, this.slot(descriptor));
      }
      case "reducing": {
        const probe = this.probeOf(descriptor);
        const below = inner.state(probe.reducing(descriptor));
        return new LoggedReducing(below, this.slot(descriptor), probe);
      }
      case "aggregating": {
        const probe = this.probeOf(descriptor);
        const below = inner.state(probe.aggregating(descriptor));
        return new LoggedAggregating(below, this.slot(descriptor), probe);
      }
    }
  }

  private slot(descriptor: StateDescriptor): LogSlot {
    return new LogSlot(this.target, this.stateOf(descriptor));
  }

  private stateOf(descriptor: StateDescriptor): LoggedState {
    const { name, kind } = descriptor;
    const known = this.states.get(name);
    if (known !== undefined) return known;
    const formats = this.restored.get(name) ?? [];
    const serializer = reconfigured(descriptor.serializer ?? auto<unknown>(), formats);
    const line = formatOf(this.ids.take(), name, kind, serializer);
    const made = { line, serializer, where: `state "${name}"` };
    this.states.set(name, made);
    this.table.push(line);
    if (formats.some((format) => !sameFormat(format, line))) this.onMigration();
    return made;
  }
}

/** The serializer that the backend below goes on with: another one if restored values make it reconfigure itself. */
function reconfigured(asked: Serializer<unknown>, formats: readonly RunState[]): Serializer<unknown> {
  const asking = formats.filter((format) => asked.compatibilityWith(writerOf(format)) === "reconfigured");
  return asking.length === 0 ? asked : restoredReadersOf(asked, asking, "what was restored").serializer;
}
