/**
 * Tells namespaces apart.
 *
 * Called by: the handles that can merge.
 * Calls: core/key.ts.
 *
 * @module
 */
import { identityOf, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";

/** The namespaces of `sources` that are not `target`. */
export function otherNamespaces(target: Namespace, sources: readonly Namespace[]): readonly Namespace[] {
  return sources.filter((source) => !sameNamespace(source, target));
}

function sameNamespace(left: Namespace, right: Namespace): boolean {
  if (left === VOID_NAMESPACE || right === VOID_NAMESPACE) return left === right;
  return typeof left === typeof right && identityOf(left) === identityOf(right);
}
