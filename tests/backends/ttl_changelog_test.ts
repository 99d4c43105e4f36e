/** State with a time to live keeps its contract behind a changelog, which knows nothing of it. */
import { changelogFactory } from "../../backends/changelog/changelog_factory.ts";
import { ttlSnapshotSuite } from "../contracts/ttl_snapshots.ts";
import { ttlStateSuite } from "../contracts/ttl_state.ts";
import { backendVariants } from "../support/backend_variants.ts";

for (const { name, factory } of (await backendVariants(8_388_608)).slice(0, 2)) {
  // No timer, as these suites let years pass.
  const logged = changelogFactory(factory, { intervalMs: null });
  ttlStateSuite(`changelog over ${name}`, logged);
  ttlSnapshotSuite(`changelog over ${name}`, logged);
}
