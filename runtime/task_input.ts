/**
 * Declares what a subtask reads from: a source or an input gate.
 *
 * Called by: runtime/subtask.ts.
 * Calls: nothing.
 *
 * @module
 */

/**
 * `more`: the slice was over or a pause was asked for; `waiting`: nothing there,
 * the task is woken when there is; `ended`: no record will ever come, barriers may.
 */
export type InputStatus = "more" | "waiting" | "ended";

/** Where a subtask's records come from. */
export interface TaskInput {
  /** Hands records to the chain until there are none or the task must pause. */
  process(): InputStatus;
  /**
   * Takes the barriers and cancellations that are next in their channels, and nothing else: called while no record may
   * be read. True when one was taken: there may be more.
   */
  passBarriers(): boolean;
}
