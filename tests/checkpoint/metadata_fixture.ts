/** Metadata with every feature of the format. */
import type { CheckpointMetadata } from "../../checkpoint/completed_checkpoint.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

const AUTO = { id: "auto", version: 1, schemaVersion: 1 };
const WRITER = { id: "f64", version: 2, schemaVersion: 300 };

/** Equal to what the golden file of version 2 holds. */
export const SAMPLE: CheckpointMetadata = {
  checkpointId: 42,
  timestampMs: 1_700_000_000_123,
  type: "checkpoint",
  format: null,
  isFinal: true,
  job: {
    id: "0123456789abcdef0123456789abcdef",
    name: "délais \ud800",
    startedMs: 1_699_999_999_000,
    restoredFrom: 41,
  },
  operators: [
    {
      id: "delay-report",
      name: "Delay report",
      parallelism: 2,
      maxParallelism: 128,
      finished: false,
      subtasks: [
        {
          finished: false,
          snapshot: {
            keyed: {
              keyGroups: { start: 0, end: 63 },
              runs: [
                {
                  file: { scope: "shared", name: "a1b2c3", sizeBytes: 70_000 },
                  level: 1,
                  keyGroups: { start: 0, end: 63 },
                  rowCount: 5_000_000_000,
                  footerCrc32: 0xfedcba98,
                },
                {
                  file: { scope: "inline", bytes: bytes(1, 2, 3), sizeBytes: 3 },
                  level: 0,
                  keyGroups: { start: 3, end: 9 },
                  rowCount: 1,
                  footerCrc32: 0,
                },
                {
                  file: { scope: "exclusive", name: "d4e5f6", sizeBytes: 0 },
                  level: 0,
                  keyGroups: { start: 63, end: 63 },
                  rowCount: 0,
                  footerCrc32: 1,
                },
              ],
              nextListNumber: 77,
              incrementBytes: 3,
              fullBytes: 70_003,
            },
            lists: {
              __proto__x: { distribution: "union", items: [], serializer: AUTO },
              watermark: { distribution: "broadcast", items: [bytes(0), bytes()], serializer: WRITER },
            },
          },
        },
        {
          finished: true,
          snapshot: {
            keyed: null,
            lists: { positions: { distribution: "split", items: [bytes(9)], serializer: AUTO } },
          },
        },
      ],
    },
    {
      id: "source",
      name: "flights",
      parallelism: 1,
      maxParallelism: 1,
      finished: true,
      subtasks: [{ finished: true, snapshot: null }],
    },
  ],
};

/** The same with a log in every scope; equal to what the golden file of version 3 holds. */
export const SAMPLE_WITH_LOG: CheckpointMetadata = {
  ...SAMPLE,
  operators: SAMPLE.operators.map((operator) => ({
    ...operator,
    subtasks: operator.subtasks.map(({ finished, snapshot }) => ({
      finished,
      snapshot: snapshot === null || snapshot.keyed === null ? snapshot : {
        ...snapshot,
        keyed: {
          ...snapshot.keyed,
          log: [
            {
              file: { scope: "shared", name: "f7", sizeBytes: 5_242_880 },
              keyGroups: { start: 0, end: 63 },
              entryCount: 6_000_000_000,
              footerCrc32: 0x89abcdef,
            },
            {
              file: { scope: "inline", bytes: bytes(7, 8), sizeBytes: 2 },
              keyGroups: { start: 1, end: 2 },
              entryCount: 1,
              footerCrc32: 2,
            },
          ],
        },
      },
    })),
  })),
};
