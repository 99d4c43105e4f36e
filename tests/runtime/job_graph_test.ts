import { deepEqual, match, ok, strictEqual as equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { callbackSink, collectSink, fromIterable, type Source, StreamError } from "../../mod.ts";
import { buildJobGraph, type JobGraph, type JobGraphSettings } from "../../runtime/job_graph.ts";
import { Pipeline } from "../../runtime/pipeline.ts";
import { ValveSource } from "./engine_harness.ts";

/** A pipeline whose graph a test can look at. */
class Draft extends Pipeline {
  build(settings: Partial<JobGraphSettings> = {}): JobGraph {
    return buildJobGraph(this.graph, { parallelism: 1, maxParallelism: null, ...settings });
  }
}

const numbers = (): Source<number> => fromIterable([1, 2, 3]);
const anywhere = (): Source<number> => ({ ...numbers(), maxParallelism: 8 });

function chains(graph: JobGraph): string[] {
  return graph.vertices.map((vertex) => `${vertex.name} ×${vertex.parallelism}`);
}

function edges(graph: JobGraph): string[] {
  return graph.edges.map(({ fromOperator, to, partitioning, tagId }) =>
    `${fromOperator.node.name}${tagId === null ? "" : `/${tagId}`} -${partitioning.kind}-> ${
      to.operators[0]!.node.name
    }`
  );
}

/** Ids by name. */
function ids(graph: JobGraph): Map<string, string> {
  return new Map(graph.vertices.flatMap(({ operators }) => operators.map((one) => [one.node.name, one.operatorId])));
}

test("at parallelism 1 everything with one input is one chain", () => {
  const draft = new Draft();
  draft.fromSource("s", numbers()).map((n) => n).rebalance().filter(() => true).keyBy((n) => n)
    .reduce("sum", (a, b) => a + b).broadcast().sinkTo("out", collectSink());
  const graph = draft.build();
  deepEqual(chains(graph), ["s → map-1 → filter-2 → sum → out ×1"]);
  deepEqual(graph.edges, []);
});

test("at parallelism 2 only forward edges between equal parallelisms are chained", () => {
  const draft = new Draft();
  draft.fromSource("s", anywhere()).map((n) => n).rebalance().filter(() => true).keyBy((n) => n)
    .reduce("sum", (a, b) => a + b).map((n) => n).setParallelism(3).sinkTo("out", collectSink());
  const graph = draft.build({ parallelism: 2 });
  deepEqual(chains(graph), ["s → map-1 ×2", "filter-2 ×2", "sum ×2", "map-4 → out ×3"]);
  deepEqual(edges(graph), ["map-1 -rebalance-> filter-2", "filter-2 -hash-> sum", "sum -forward-> map-4"]);
});

test("an operator with several inputs begins a chain; a fan-out stays in the chain of its source", () => {
  const draft = new Draft();
  const s = draft.fromSource("s", numbers());
  const left = s.map((n) => n);
  const right = s.filter(() => true);
  left.union(right).map((n) => n).sinkTo("both", collectSink());
  s.sinkTo("all", collectSink());
  const graph = draft.build();
  deepEqual(chains(graph), ["s → map-1 → filter-2 → all ×1", "map-3 → both ×1"]);
  deepEqual(edges(graph), ["map-1 -forward-> map-3", "filter-2 -forward-> map-3"]);
});

test("a stream united with itself is read twice", () => {
  const draft = new Draft();
  const s = draft.fromSource("s", numbers());
  s.union(s).sinkTo("out", collectSink());
  deepEqual(edges(draft.build()), ["s -forward-> out", "s -forward-> out"]);
});

test("side outputs are edges of their own", () => {
  const draft = new Draft();
  const step = draft.fromSource("s", anywhere()).process<number>("step", () => {});
  step.sideOutput({ id: "late" }).map((n) => n).setParallelism(1).sinkTo("late", collectSink());
  step.sideOutput({ id: "odd" }).sinkTo("odd", collectSink());
  const graph = draft.build({ parallelism: 2 });
  deepEqual(chains(graph), ["s → step → odd ×2", "map-2 → late ×1"]);
  deepEqual(edges(graph), ["step/late -forward-> map-2"]);
});

test("parallelism: sources and keyed operators take the job's, others their input's, all within their limit", () => {
  const draft = new Draft();
  draft.fromSource("one", numbers()).map((n) => n).keyBy((n) => n).reduce("sum", (a, b) => a + b).map((n) => n)
    .sinkTo("single", { ...collectSink<number>(), maxParallelism: 1, open: collectSink<number>().open });
  deepEqual(chains(draft.build({ parallelism: 4 })), ["one → map-1 ×1", "sum → map-3 ×4", "single ×1"]);
});

test("what follows rebalance() or broadcast() takes the job's parallelism; a sink takes what it is given", () => {
  const draft = new Draft();
  const one = draft.fromSource("one", numbers());
  one.rebalance().map((n) => n).sinkTo("dealt", callbackSink(() => {}));
  one.broadcast().sinkTo("all", callbackSink(() => {}));
  one.sinkTo("three", callbackSink(() => {}), { parallelism: 3 });
  one.rebalance().sinkTo("two", callbackSink(() => {}), { parallelism: 2 });
  deepEqual(chains(draft.build({ parallelism: 4 })), [
    "one ×1",
    "map-1 → dealt ×4",
    "all ×4",
    "three ×3",
    "two ×2",
  ]);
  throws(() => one.sinkTo("none", callbackSink(() => {}), { parallelism: 0 }), RangeError);
  one.sinkTo("collected", { ...collectSink<number>(), maxParallelism: 1, open: collectSink<number>().open }, {
    parallelism: 2,
  });
  throws(() => draft.build(), /Cannot run "collected" with parallelism 2: its largest parallelism is 1/);
});

test("parallelism of a union is the largest of its inputs", () => {
  const draft = new Draft();
  const two = draft.fromSource("two", anywhere()).setParallelism(2);
  const five = draft.fromSource("five", anywhere()).setParallelism(5);
  two.union(five).sinkTo("out", callbackSink(() => {}));
  deepEqual(chains(draft.build()), ["two ×2", "five ×5", "out ×5"]);
});

test("a parallelism above the limit of a source is refused by name", () => {
  const draft = new Draft();
  draft.fromSource("file", new ValveSource<number>([[1]])).setParallelism(2).sinkTo("out", collectSink());
  throws(() => draft.build(), (error) => {
    ok(error instanceof StreamError);
    match(error.message, /Cannot run "file" with parallelism 2: its largest parallelism is 1/);
    return true;
  });
});

test("setParallelism() takes integers from 1 to 32,768, on a stream that an operator makes", () => {
  const s = new Draft().fromSource("s", anywhere());
  for (const parallelism of [0, -1, 1.5, 32_769, NaN]) throws(() => s.setParallelism(parallelism), RangeError);
  equal(s.setParallelism(32_768), s);
  throws(() => s.rebalance().setParallelism(2), /Cannot set the parallelism of a union, rebalance, broadcast or side/);
});

test("max parallelism: derived from the parallelism unless set, never below it", () => {
  const draft = new Draft();
  draft.fromSource("s", anywhere()).keyBy((n) => n).reduce("sum", (a, b) => a + b).sinkTo("out", collectSink());
  deepEqual(draft.build({ parallelism: 2 }).vertices.map((vertex) => vertex.maxParallelism), [128, 128]);
  deepEqual(draft.build({ parallelism: 2, maxParallelism: 10 }).vertices.map((one) => one.maxParallelism), [10, 10]);
  throws(() => draft.build({ parallelism: 4, maxParallelism: 3 }), /Cannot use parallelism 4: .* 1\.\.3/);
});

test("a pipeline without a source is refused with the remedy", () => {
  throws(() => new Draft().build(), /the pipeline has no source; start it with env\.fromSource/);
});

test("operator ids: 32 hex digits, of names alone where there are names", () => {
  const first = new Draft();
  first.fromSource("s", numbers()).map((n) => n).keyBy((n) => n).reduce("sum", (a, b) => a + b)
    .sinkTo("out", collectSink());
  // More steps, another order, another parallelism.
  const second = new Draft();
  const other = second.fromSource("other", anywhere()).filter(() => true);
  second.fromSource("s", anywhere()).filter(() => true).map((n) => n).union(other).keyBy((n) => n + 1)
    .reduce("sum", (a, b) => a + b).map((n) => n).sinkTo("out", collectSink());
  const before = ids(first.build());
  const after = ids(second.build({ parallelism: 3 }));
  for (const name of ["s", "sum", "out"]) {
    match(before.get(name)!, /^[0-9a-f]{32}$/);
    equal(after.get(name), before.get(name));
  }
  const all = [...after.values()];
  equal(new Set(all).size, all.length);
});

test("operator ids never change: they are in the checkpoints of users", () => {
  const draft = new Draft();
  draft.fromSource("flights", numbers()).map((n) => n).sinkTo("reports", collectSink());
  deepEqual([...ids(draft.build()).entries()], [
    ["flights", "5bcbec1acf0c303b65d23c0ccabb3c33"],
    ["map-1", "2cb36207f64538641dcde1a68c235601"],
    ["reports", "c8ec5a29fe0c303b31130688160425af"],
  ]);
});
