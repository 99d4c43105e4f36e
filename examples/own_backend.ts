/**
 * A state backend of your own, around one of Weir's: it counts, as metrics of each operator, how often it was set to a
 * key, its snapshots and their bytes. `job.metrics`, and with -Drest.port the HTTP API, show them.
 *
 * Run: deno run examples/own_backend.ts
 * With any other pipeline, named in the configuration, here without counting keys:
 * deno run --allow-read --allow-env examples/word_count.ts -Dcounting.keys=false \
 *   -Dstate.backend.type=./examples/own_backend.ts#CountingBackend
 *
 * @module
 */
import { consoleSink, fromIterable, heapBackendFactory, type StateBackendFactory, StreamEnvironment } from "../mod.ts";
import {
  type AnyOption,
  booleanOption,
  type ConfigOption,
  type Configuration,
  type StateBackend,
  type StateBackendContext,
} from "../state_backend.ts";

/** An option of its own. */
const COUNT_KEYS: ConfigOption<boolean> = booleanOption("counting.keys", {
  default: true,
  description: "Whether it is counted how often a key is set.",
});

/** Makes backends that count, each around one of `inner`. */
function counting(inner: StateBackendFactory, countKeys: boolean): StateBackendFactory {
  return {
    ...inner,
    name: `counting ${inner.name}`,
    create(context: StateBackendContext): StateBackend {
      const backend = inner.create(context);
      if (countKeys) countKeysOf(backend, context);
      countSnapshotsOf(backend, context);
      return backend;
    },
  };
}

/** What the configuration names: it is given the checked configuration. */
export class CountingBackend implements StateBackendFactory {
  /** Options that the configuration may have besides Weir's. */
  static readonly options: readonly AnyOption[] = [COUNT_KEYS];
  readonly name: string = "counting";
  readonly #factory: StateBackendFactory;

  constructor(configuration: Configuration) {
    this.#factory = counting(heapBackendFactory, configuration.get(COUNT_KEYS));
  }

  create(context: StateBackendContext): StateBackend {
    return this.#factory.create(context);
  }
}

function countKeysOf(backend: StateBackend, { metrics }: StateBackendContext): void {
  const keys = metrics.counter("countedKeys");
  const setCurrentKey = backend.setCurrentKey.bind(backend);
  backend.setCurrentKey = (key) => {
    keys.inc();
    setCurrentKey(key);
  };
}

function countSnapshotsOf(backend: StateBackend, { metrics }: StateBackendContext): void {
  const snapshots = metrics.counter("countedSnapshots");
  const bytes = metrics.counter("countedSnapshotBytes");
  const snapshot = backend.snapshot.bind(backend);
  backend.snapshot = (request) => {
    const pending = snapshot(request);
    snapshots.inc();
    return {
      async write(store) {
        const handle = await pending.write(store);
        bytes.inc(handle?.incrementBytes ?? 0);
        return handle;
      },
      cancel: (reason) => pending.cancel(reason),
    };
  };
}

if (import.meta.main) {
  const env = StreamEnvironment.create({ stateBackend: counting(heapBackendFactory, true) });
  env.fromSource("lines", fromIterable(["the stream is a river", "the river is a stream"]))
    .flatMap((line) => line.split(" "))
    .keyBy((word) => word)
    .reduce("first", (first) => first)
    .sinkTo("words", consoleSink());
  await env.execute("words, counted");
}
