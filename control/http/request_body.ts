/**
 * Reads the body of a request, up to a limit.
 *
 * Called by: control/http/api.ts.
 * Calls: nothing.
 *
 * @module
 */
import { ApiError } from "./api_error.ts";

/** All bytes of the body. @throws {ApiError} 413 as soon as there are more than the limit, 400 if it ends early. */
export async function readLimited(request: Request, limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > limitBytes) throw tooLarge(limitBytes);
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const part of request.body ?? []) {
      sizeBytes += part.length;
      if (sizeBytes > limitBytes) throw tooLarge(limitBytes);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    // Nobody is there to read this.
    throw new ApiError(400, "The body was cut off");
  }
  const all = new Uint8Array(sizeBytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function tooLarge(limitBytes: number): ApiError {
  return new ApiError(413, `The body must have at most ${limitBytes} bytes`);
}
