/** Every backend keeps the contract of state with a time to live. */
import { backendVariants } from "../support/backend_variants.ts";
import { ttlStateSuite } from "../contracts/ttl_state.ts";

for (const { name, factory, timers } of await backendVariants(8_388_608)) {
  if (name === "heap" || timers === "embedded") ttlStateSuite(name, factory);
}
