/**
 * Merges namespaces, whatever a handle keeps in them.
 *
 * Called by: the handles that can merge.
 * Calls: core/key.ts.
 *
 * @module
 */
import { identityOf, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";

/** What speaks of one namespace at a time. */
export interface NamespacedSlot {
  /** What its other calls speak of. */
  readonly namespace: Namespace;
  /** Changes it. @throws {TypeError} If it is no namespace. */
  setNamespace(namespace: Namespace): void;
}

/**
 * Calls `move` for each of `namespaces` but `target` itself, with `source` speaking of it and `slot` of `target`; `slot`
 * speaks of its own namespace again afterwards.
 */
export function mergeInto(
  slot: NamespacedSlot,
  target: Namespace,
  source: NamespacedSlot,
  namespaces: readonly Namespace[],
  move: () => void,
): void {
  const former = slot.namespace;
  slot.setNamespace(target);
  try {
    for (const namespace of namespaces) {
      if (sameNamespace(namespace, target)) continue;
      source.setNamespace(namespace);
      move();
    }
  } finally {
    slot.setNamespace(former);
  }
}

function sameNamespace(left: Namespace, right: Namespace): boolean {
  if (left === VOID_NAMESPACE || right === VOID_NAMESPACE) return left === right;
  return typeof left === typeof right && identityOf(left) === identityOf(right);
}
