/**
 * Opens the HTTP API for a job: makes the server of its address, or joins the one that other jobs have made.
 *
 * Called by: control/stream_environment.ts, which loads it only when `rest.port` is set: it brings hono and zod along.
 * Calls: control/http/server.ts.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { CHECKPOINT_DIR, SAVEPOINT_DIR } from "../checkpoint/options.ts";
import type { Configuration } from "../core/config.ts";
import type { JobPorts } from "../runtime/job_ports.ts";
import type { ControlledJob } from "../runtime/job_view.ts";
import { REST_BIND_ADDRESS, REST_PORT } from "./http/options.ts";
import { resolvePath } from "./http/real_paths.ts";
import { ApiServer, type ServerParts } from "./http/server.ts";
import { apiSettings } from "./http/settings.ts";
import { UsageError } from "./usage_error.ts";

const log = getLogger(["weir", "control"]);

/** What a job needs to be shown. */
export interface HttpOpening {
  /** Options of the API, and what is shown of the job's. */
  readonly configuration: Configuration;
  /** Id of the job. */
  readonly jobId: string;
  /** Those of the job. */
  readonly ports: Pick<JobPorts, "clock" | "random" | "fileSystem" | "jobLock">;
  /** Listens; the real network unless a test gives its own. */
  readonly listenOn?: NonNullable<ServerParts["listenOn"]>;
}

/** The place of a job that has not started. */
export interface HttpPlace {
  /** Where the API can be reached. */
  readonly url: string;
  /** Settles when the API has ended. */
  readonly ended: Promise<void>;
  /** The job has started: shows it. */
  show(job: ControlledJob): void;
  /** It never will: the API ends, unless it serves other jobs. */
  giveBack(): void;
}

/** Servers of this process, by the address that was asked for. */
const servers = new Map<string, Promise<ApiServer>>();

/**
 * Makes room for a job in the API at the address that its options name, and tells where that is.
 *
 * @throws {UsageError} If the API cannot listen, is not safe as configured, or differs from the one that is there.
 * @throws {StreamError} If a job with this id is shown there and lives.
 */
export async function openHttpApi(opening: HttpOpening): Promise<HttpPlace> {
  const { configuration, jobId } = opening;
  const server = await serverFor(opening);
  const place = server.reserve(jobId);
  log.info("HTTP API at {url}", { url: server.url });
  return {
    url: server.url,
    ended: server.ended,
    show: (job) =>
      place.fill({
        job,
        configuration: configuration.shown(),
        savepointDirectory: configuration.get(SAVEPOINT_DIR) ?? null,
        checkpointDirectory: configuration.get(CHECKPOINT_DIR) ?? null,
      }),
    giveBack: () => place.giveBack(),
  };
}

async function serverFor(opening: HttpOpening): Promise<ApiServer> {
  const { configuration, ports, listenOn } = opening;
  const { clock, random, fileSystem, jobLock } = ports;
  const settings = await apiSettings(configuration, (path) => fileSystem.readFile(path));
  const address = { hostname: configuration.get(REST_BIND_ADDRESS), port: configuration.get(REST_PORT) ?? 0 };
  const name = JSON.stringify([address.hostname, address.port]);
  for (;;) {
    const found = servers.get(name);
    if (found === undefined) break;
    const server = await found.catch(() => null);
    if (server === null) continue;
    if (!server.isClosing) {
      checkSame(server, settings, name);
      return server;
    }
    await server.ended;
  }
  const made = Promise.resolve().then(() =>
    new ApiServer({
      address,
      settings,
      clock,
      random,
      resolvePath,
      snapshotFiles: { fileSystem, jobLock },
      ...(listenOn === undefined ? {} : { listenOn }),
    })
  );
  servers.set(name, made);
  const forget = () => {
    if (servers.get(name) === made) servers.delete(name);
  };
  made.then((server) => server.ended).then(forget, forget);
  return await made;
}

/** One server has one set of rules. */
function checkSame(server: ApiServer, settings: ServerParts["settings"], name: string): void {
  const rules = ({ hosts, ...rest }: ServerParts["settings"]) => JSON.stringify({ ...rest, hosts: [...hosts] });
  if (rules(server.settings) === rules(settings)) return;
  throw new UsageError(
    `Cannot serve the HTTP API on ${name}: another job of this process serves there with other options; ` +
      "give both the same rest.* options, or another rest.port",
  );
}
