/**
 * Writes docs/configuration.md: `deno run --allow-write=docs control/write_configuration_page.ts`.
 *
 * Called by: `deno task docs:config`.
 * Calls: control/configuration_page.ts.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { configurationPage } from "./configuration_page.ts";
import { OPTION_GROUPS, REFUSED_KEYS } from "./known_options.ts";

writeFileSync(new URL("../docs/configuration.md", import.meta.url), configurationPage(OPTION_GROUPS, REFUSED_KEYS));
