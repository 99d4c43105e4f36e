/**
 * Lets the event loop turn once, where time is virtual.
 *
 * Called by: runtime/testing/actor_harness.ts, control/testing/, tests.
 * Calls: nothing.
 *
 * @module
 */

/** Lets every promise reaction run that can: a turn of the real event loop, in which no time is looked at. */
export function eventLoopTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
