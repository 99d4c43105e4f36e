/** Every backend keeps the contract of state with a time to live. */
import { ttlSnapshotSuite } from "../contracts/ttl_snapshots.ts";
import { ttlStateSuite } from "../contracts/ttl_state.ts";
import { backendVariants } from "../support/backend_variants.ts";

for (const { name, factory, timers } of await backendVariants(8_388_608)) {
  if (name !== "heap" && timers === "heap") continue;
  ttlStateSuite(name, factory);
  ttlSnapshotSuite(name, factory);
}
