/**
 * Listens on an address: the only file that knows how Deno and Bun do it.
 *
 * Called by: control/http/server.ts.
 * Calls: Deno.serve, Bun.serve.
 *
 * @module
 */
import { errorCode } from "../../core/file_system.ts";
import { UsageError } from "../usage_error.ts";

/** A server that listens. */
export interface Listening {
  /** The port that it has: the one that was asked for, or the one that was free. */
  readonly port: number;
  /** Takes no more requests, and waits until those that it has are answered. */
  close(): Promise<void>;
  /** Ends at once, whoever waits for an answer or is not done asking; `close()` settles then. */
  abort(): void;
}

/** Answers a request. */
export type Answer = (request: Request) => Response | Promise<Response>;

/** Where to listen. */
export interface ListenAddress {
  /** Name or IP address. */
  readonly hostname: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** What is used of Deno. */
interface DenoServe {
  serve(
    options: ListenAddress & { readonly signal: AbortSignal; readonly onListen: () => void },
    answer: (request: Request, served: { readonly completed: Promise<void> }) => Response | Promise<Response>,
  ): { readonly addr: { readonly port: number }; readonly finished: Promise<void> };
}

/** What is used of Bun. */
interface BunServe {
  serve(
    options: ListenAddress & { readonly development: false; readonly fetch: Answer },
  ): { readonly port: number; stop(closeActiveConnections?: boolean): Promise<void> };
}

/**
 * Listens on an address.
 *
 * @throws {UsageError} If the port is in use, the address is none of this machine, or the permission is missing.
 */
export function listen(address: ListenAddress, answer: Answer): Listening {
  try {
    return "Deno" in globalThis ? listenOnDeno(address, answer) : listenOnBun(address, answer);
  } catch (error) {
    throw whyNot(address, error);
  }
}

function listenOnDeno(address: ListenAddress, answer: Answer): Listening {
  // Deno's own interface; stated here because Bun's type checker does not know it.
  const { serve } = (globalThis as unknown as { readonly Deno: DenoServe }).Deno;
  const end = new AbortController();
  // Deno's own way of closing waits for clients that never finish, and cannot be cut short: so answers are counted here.
  let underWay = 0;
  let isClosing = false;
  const answered = () => {
    underWay--;
    if (isClosing && underWay === 0) end.abort();
  };
  const server = serve({ ...address, signal: end.signal, onListen: () => {} }, (request, { completed }) => {
    underWay++;
    completed.then(answered, answered);
    return answer(request);
  });
  return {
    port: server.addr.port,
    close: () => {
      isClosing = true;
      if (underWay === 0) end.abort();
      return server.finished;
    },
    abort: () => end.abort(),
  };
}

function listenOnBun(address: ListenAddress, answer: Answer): Listening {
  if (!("Bun" in globalThis)) {
    throw new UsageError("Cannot serve the HTTP API: this runtime is neither Deno nor Bun; run the script with one");
  }
  // Bun's own interface; stated here because Deno's type checker does not know it.
  const { serve } = (globalThis as unknown as { readonly Bun: BunServe }).Bun;
  // In development mode, errors are pages with stack traces.
  const server = serve({ ...address, development: false, fetch: answer });
  return { port: server.port, close: () => server.stop(), abort: () => void server.stop(true) };
}

function whyNot({ hostname, port }: ListenAddress, error: unknown): unknown {
  if (error instanceof UsageError || !(error instanceof Error)) return error;
  const where = `${hostname}:${port}`;
  const options = { cause: error };
  if (error.name === "NotCapable" || error.name === "PermissionDenied") {
    const flag = port === 0 ? `--allow-net=${hostname}` : `--allow-net=${where}`;
    return new UsageError(`Cannot serve the HTTP API on "${where}": Deno does not let it; add ${flag}`, options);
  }
  if (errorCode(error) === "EADDRINUSE") {
    return new UsageError(
      `Cannot serve the HTTP API on "${where}": the port is in use, it must be free; ` +
        "set rest.port to another one, or to 0 for any that is free",
      options,
    );
  }
  return new UsageError(
    `Cannot serve the HTTP API on "${where}": ${error.message}; set rest.bind-address and rest.port`,
    options,
  );
}
