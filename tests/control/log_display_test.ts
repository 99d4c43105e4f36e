import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { configure, getConfig, getLogger, reset } from "@logtape/logtape";
import { showLog } from "../../control/log_display.ts";

const LOG = getLogger(["weir", "test"]);

function screen(): {
  readonly isTerminal: boolean;
  readonly columns: number;
  write(text: string): void;
  shown: string;
} {
  return {
    isTerminal: false,
    columns: 80,
    shown: "",
    write(text) {
      this.shown += text;
    },
  };
}

test("showLog() shows the log once until the last of several jobs has ended, started and ended at the same time", async () => {
  const [first, second] = [screen(), screen()];
  const ends = await Promise.all([showLog(first), showLog(second)]);
  LOG.info("one");
  deepEqual([first.shown, second.shown], ["info: one\n", ""]);
  await ends[0]!();
  await ends[0]!();
  LOG.info("two");
  equal(first.shown, "info: one\ninfo: two\n");
  const third = screen();
  const [, endThird] = await Promise.all([ends[1]!(), showLog(third)]);
  LOG.info("three");
  deepEqual([first.shown, third.shown], ["info: one\ninfo: two\n", "info: three\n"]);
  await endThird();
  equal(getConfig(), null);
});

test("showLog() leaves a program's own logging alone", async () => {
  const lines: string[] = [];
  await configure({
    sinks: { own: ({ message }) => void lines.push(message.join("")) },
    loggers: [{ category: ["weir"], sinks: ["own"] }, { category: ["logtape", "meta"], sinks: [] }],
  });
  try {
    const shown = screen();
    const ends = await Promise.all([showLog(shown), showLog(shown)]);
    LOG.info("mine");
    for (const end of ends) await end();
    LOG.info("still mine");
    deepEqual([lines, shown.shown], [["mine", "still mine"], ""]);
  } finally {
    await reset();
  }
});
