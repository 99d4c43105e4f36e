/**
 * The step with state without a key in front of the job in golden_job.ts: a list, a union list and a broadcast map. It
 * must stay as it is: names and values are in tests/golden.
 *
 * Called by: tests/runtime/golden_jobs_test.ts.
 * Calls: mod.ts.
 */
import { broadcastState, type DataStream, emits, operatorListState } from "../../mod.ts";

/** Passes numbers on, and remembers every tenth, the largest, and the last of each digit. */
export function tallied(numbers: DataStream<number>, seen: (line: string) => void = () => {}): DataStream<number> {
  return numbers.process("tally", {
    emits: emits<number>(),
    state: {
      tens: operatorListState<number>("tens"),
      largest: operatorListState<number>("largest", { distribution: "union" }),
      digits: broadcastState<string, number>("digits"),
    },
    onOpen({ state }) {
      const digits = [...state.digits.entries()].map(([digit, n]) => `${digit}:${n}`).sort().join();
      seen(`tens ${state.tens.get().join()} largest ${state.largest.get().join()} digits ${digits}`);
    },
    onMessage(n, context) {
      if (n % 10 === 0) context.state.tens.add(n);
      context.state.largest.update([n]);
      context.state.digits.set(`${n % 10}`, n);
      context.emit(n);
    },
  });
}
