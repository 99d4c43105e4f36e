import { equal } from "node:assert/strict";
import { test } from "node:test";
import { FeedbackGroup } from "../../runtime/feedback/feedback_group.ts";
import { Inbox } from "../../runtime/feedback/inbox.ts";

test("a sender that never stops does not keep another one waiting", () => {
  const inbox = new Inbox({ actorName: "busy", senderCount: 2, limit: 1_000, group: new FeedbackGroup(1) });
  const tell = (sender: number, value: unknown) =>
    inbox.deliver(sender, { key: 0, value, timestampMs: 0, dueMs: null }, "sender");
  for (let n = 0; n < 20; n++) tell(0, "own");
  tell(1, "other");
  let turns = 0;
  let hasHeard = false;
  while (!hasHeard && turns < 1_000) {
    turns++;
    // Each message of its own tells another; a turn is shorter than what waits.
    let left = 10;
    inbox.process(({ value }) => {
      if (value === "own") tell(0, "own");
      else hasHeard = true;
    }, () => --left === 0);
  }
  equal(hasHeard, true);
});
