/**
 * Loads the LSM options factory that the configuration names.
 *
 * Called by: control/stream_environment.ts, by dynamic import, when the option is set.
 * Calls: control/load_export.ts, backends/lsm/options_factory.ts.
 *
 * @module
 */
import { LSM_OPTIONS_FACTORY } from "../backends/lsm/options.ts";
import { asOptionsFactory, type LsmOptionsFactory } from "../backends/lsm/options_factory.ts";
import type { Configuration } from "../core/config.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import { loadExport, type LoadPorts, productOf } from "./load_export.ts";

/** Applies the configured options, which happens here anyway. */
const FLINK_DEFAULT = "org.apache.flink.contrib.streaming.state.DefaultConfigurableOptionsFactory";

/**
 * The factory of `state.backend.lsm.options-factory`; undefined if that is unset, or names Flink's own.
 *
 * @throws {StreamError} "invalid", with the reason: no such file or export, it fails, it makes no factory.
 */
export async function loadOptionsFactory(
  configuration: Configuration,
  { fileSystem }: Pick<LoadPorts, "fileSystem">,
): Promise<LsmOptionsFactory | undefined> {
  const { key: option } = LSM_OPTIONS_FACTORY;
  const reference = configuration.get(LSM_OPTIONS_FACTORY);
  if (reference === undefined || reference === FLINK_DEFAULT) return undefined;
  const exported = await loadExport(reference, { fileSystem, option });
  try {
    return asOptionsFactory(await productOf(exported, configuration), "what it makes");
  } catch (cause) {
    const is = `Cannot use "${reference}" for option "${option}": ${messageOf(cause)}`;
    throw new StreamError("invalid", is, { cause });
  }
}
