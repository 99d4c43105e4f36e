/**
 * The timers of the current key, as actors see them.
 *
 * Called by: users' actors and steps; made by runtime/operators/keyed_operator.ts.
 * Calls: timers/timer_service.ts.
 *
 * @module
 */
import { VOID_NAMESPACE } from "../../core/key.ts";
import type { TimerService } from "../../timers/timer_service.ts";
import type { ActorTimers } from "../actor.ts";

/** The part of the timer service that actors see. */
export class TimersOfCurrentKey implements ActorTimers {
  constructor(private readonly service: TimerService) {}

  get currentWatermark(): number {
    return this.service.currentWatermark;
  }

  registerEventTime(timestampMs: number): void {
    this.service.registerEventTime(timestampMs, VOID_NAMESPACE);
  }

  deleteEventTime(timestampMs: number): void {
    this.service.deleteEventTime(timestampMs, VOID_NAMESPACE);
  }

  registerProcessingTime(timestampMs: number): void {
    this.service.registerProcessingTime(timestampMs, VOID_NAMESPACE);
  }

  deleteProcessingTime(timestampMs: number): void {
    this.service.deleteProcessingTime(timestampMs, VOID_NAMESPACE);
  }

  currentProcessingTime(): number {
    return this.service.currentProcessingTime();
  }
}
