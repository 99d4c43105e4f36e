/** Canonical snapshots of every backend, with timers where they live with it. */
import { canonicalSnapshotSuite } from "../contracts/canonical_snapshot.ts";
import { backendVariants } from "../support/backend_variants.ts";

// So little memory that rows are on disk, and in several files.
const VARIANTS = await backendVariants(65_536);

for (const variant of VARIANTS) canonicalSnapshotSuite(variant, VARIANTS);
