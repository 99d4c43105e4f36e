/**
 * Names an actor that can be told messages, with the types of its keys and messages.
 *
 * Called by: users; runtime/actor.ts, runtime/feedback/.
 * Calls: nothing.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";

/** Names an actor, or a keyed step, of the pipeline. */
export interface ActorRef<K extends Key, M> {
  /** As given to `actor(name, …)`. */
  readonly name: string;
  /** For the type checker only; never set. */
  readonly key?: K;
  /** For the type checker only; never set. */
  readonly message?: M;
}

/**
 * Names an actor with the types of its keys and of the messages that it may be told; a plain name does as well.
 *
 * @example
 * ```ts
 * import { actorRef } from "../../mod.ts";
 *
 * const accounts = actorRef<string, { deposit: number }>("accounts");
 * if (accounts.name !== "accounts") throw new Error(accounts.name);
 * ```
 *
 * @param name As given to `actor(name, …)`, not empty.
 * @throws {TypeError} If the name is empty.
 */
export function actorRef<K extends Key, M>(name: string): ActorRef<K, M> {
  if (typeof name !== "string" || name === "") {
    throw new TypeError("Cannot refer to an actor: its name must not be empty");
  }
  return Object.freeze({ name });
}

/** The name, however it was given. */
export function nameOfActor<K extends Key, M>(actor: ActorRef<K, M> | string): string {
  return typeof actor === "string" ? actor : actor.name;
}
