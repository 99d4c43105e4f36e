/**
 * Loads at once what operators load on demand: where time is virtual, a module would come in a turn of the event loop
 * that nobody waits for.
 *
 * Called by: runtime/testing/, control/testing/.
 * Calls: nothing.
 *
 * @module
 */
import "../../timers/embedded_timer_queue.ts";
