import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { weir } from "./cli_rig.ts";
import { ORDERS, scriptedServer } from "./scripted_server.ts";

const MIB = 1024 ** 2;
const MEMORY = {
  backend: "lsm",
  totalBytes: 128 * MIB,
  usedBytes: 9 * MIB,
  slots: [{
    slotIndex: 0,
    capBytes: 128 * MIB,
    usedBytes: 9 * MIB,
    writeBuffers: {
      limitBytes: 64 * MIB,
      usedBytes: 4 * MIB,
      peakBytes: 65 * MIB,
      overshootBytes: MIB,
      arenaBytes: 64 * MIB,
    },
    blockCache: {
      limitBytes: 64 * MIB,
      heldBytes: 5 * MIB,
      blockBytes: 3 * MIB,
      pinnedBytes: 4_096,
      indexAndFilterBytes: 2 * MIB,
      reservedBytes: 6_710_886,
      scratchBytes: 0,
    },
    operators: [
      { operatorName: "counts", activeBytes: 3 * MIB, frozenBytes: MIB, keptBytes: 0, indexAndFilterBytes: 2 * MIB },
      { operatorName: "last\tseen", activeBytes: 0, frozenBytes: 0, keptBytes: 0, indexAndFilterBytes: 0 },
    ],
  }],
};

function serverWith(memory: unknown): ReturnType<typeof scriptedServer> {
  return scriptedServer({
    before: ({ what }) => (what === `GET /jobs/${ORDERS}/memory` ? { json: memory } : undefined),
  });
}

test("weir memory shows slots and operators on a terminal", async () => {
  const { code, out } = await weir(["memory", "orders"], { server: serverWith(MEMORY), outputIsTerminal: true });
  equal(code, 0);
  deepEqual(out.split("\n"), [
    "orders keeps its state in lsm: 9.0 mb of 128 mb used, in 1 slot",
    "",
    "slot 0: 9.0 mb of 128 mb",
    "  write buffers: 4.0 mb of 64.0 mb, at most 65.0 mb so far, 1.0 mb above the limit; arena 64.0 mb",
    "  block cache: 5.0 mb of 64.0 mb: 3.0 mb of blocks (4.0 kb pinned), 2.0 mb of indexes and filters " +
    "(6.4 mb kept for them), 0 bytes of scratch",
    "",
    "  OPERATOR    ACTIVE   FROZEN     KEPT  INDEXES, FILTERS",
    "  counts      3.0 mb   1.0 mb  0 bytes            2.0 mb",
    "  last seen  0 bytes  0 bytes  0 bytes           0 bytes",
    "",
  ]);
  const page = readFileSync(new URL("../../../docs/command_line.md", import.meta.url), "utf8");
  ok(page.includes(`$ weir memory orders\n${out}`), "the page shows it as it is");
});

test("weir memory prints a line for each holder in a pipe, the whole answer with --json", async () => {
  const server = serverWith(MEMORY);
  deepEqual((await weir(["memory", "orders"], { server })).out.split("\n").slice(0, 6), [
    `0\tcap\t${128 * MIB}`,
    `0\tused\t${9 * MIB}`,
    `0\twrite buffers\t${4 * MIB}`,
    `0\tblock cache\t${5 * MIB}`,
    `0\toperator counts active\t${3 * MIB}`,
    `0\toperator counts frozen\t${MIB}`,
  ]);
  deepEqual(JSON.parse((await weir(["memory", "orders", "--json"], { server })).out), MEMORY);
});

test("weir memory says that state on the heap uses no managed memory", async () => {
  const server = serverWith({ backend: "hashmap", totalBytes: 0, usedBytes: 0, slots: [] });
  equal(
    (await weir(["memory", "orders"], { server, outputIsTerminal: true })).out,
    "orders keeps its state in hashmap: on the heap of the process, without managed memory\n",
  );
  equal((await weir(["memory", "orders"], { server })).out, "");
  const idle = serverWith({ backend: "lsm", totalBytes: 0, usedBytes: 0, slots: [] });
  equal(
    (await weir(["memory", "orders"], { server: idle, outputIsTerminal: true })).out,
    "orders keeps its state in lsm: no slot is in use now\n",
  );
});

test("weir status shows what the newest checkpoint has written beside what it holds", async () => {
  const checkpoint = (sizes: Readonly<Record<string, number>>) => ({
    counts: { completed: 2, failed: 0, in_progress: 0 },
    latest: { completed: { id: 2, end_to_end_duration: 40, external_path: "/ck/chk-2", ...sizes } },
  });
  const lineOf = async (sizes: Readonly<Record<string, number>>) => {
    const server = scriptedServer({
      before: ({ what }) => {
        if (what === `GET /jobs/${ORDERS}`) return { json: { jid: ORDERS, name: "orders", state: "RUNNING" } };
        return what === `GET /jobs/${ORDERS}/checkpoints` ? { json: checkpoint(sizes) } : undefined;
      },
    });
    const { out } = await weir(["status", "orders"], { server, outputIsTerminal: true });
    return out.split("\n").find((line) => line.includes("newest checkpoint"));
  };
  equal(
    await lineOf({ checkpointed_size: 2 * MIB, state_size: 40 * MIB }),
    "  newest checkpoint 2: 2.0 mb written of 40.0 mb in 40 ms, /ck/chk-2",
  );
  equal(
    await lineOf({ checkpointed_size: 40 * MIB, state_size: 40 * MIB }),
    "  newest checkpoint 2: 40.0 mb in 40 ms, /ck/chk-2",
  );
});
