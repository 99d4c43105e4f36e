/** The backend `lsm` keeps the contract of state backends with three trees of files, and with one for each state. */
import { LSM_STATE_METRICS } from "../../backends/lsm/native_metrics.ts";
import { stateModelSuite } from "../contracts/keyed_state_model.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";
import { familiesOf, lsmFactory, SMALL } from "../support/family_factories.ts";

const THREE = familiesOf(3);
/** A tree for each state. */
const EACH = { ...SMALL, metrics: LSM_STATE_METRICS };

stateBackendContract("lsm with three families", lsmFactory(THREE, 8_388_608), {
  checking: lsmFactory(THREE, 8_388_608, true),
  chains: 3,
});
stateModelSuite("lsm with three families in little memory", lsmFactory(THREE, 65_536));
stateModelSuite("lsm with a family for each state in little memory", lsmFactory(EACH, 65_536));
