import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import type { Key } from "../../core/key.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import { itemsOf, type Message, messagesOf, toldList } from "../../runtime/feedback/message.ts";

const KEYS: readonly Key[] = ["a", "", 7, -0.5, 12n, true, Uint8Array.of(1, 2), ["a", 1], [
  [2n, false],
  Uint8Array.of(),
]];

const MESSAGES: readonly Message[] = KEYS.flatMap((key, index) => [
  { key, value: { index }, timestampMs: index, dueMs: null },
  { key, value: `later ${index}`, timestampMs: -Infinity, dueMs: 1_000 + index },
]);

test("messages in flight come back with keys of every type, in their order", () => {
  deepEqual(messagesOf(toldList(itemsOf(MESSAGES)), { start: 0, end: 127 }, 128), MESSAGES);
  deepEqual(messagesOf(undefined, { start: 0, end: 127 }, 128), []);
});

test("each message goes to the subtask that has its key group, and to no other", () => {
  const list = toldList(itemsOf(MESSAGES));
  const halves = [{ start: 0, end: 63 }, { start: 64, end: 127 }].map((range) => messagesOf(list, range, 128));
  const isFirst = ({ key }: Message) => keyGroupOf(key, 128) < 64;
  deepEqual(halves, [MESSAGES.filter(isFirst), MESSAGES.filter((message) => !isFirst(message))]);
});
