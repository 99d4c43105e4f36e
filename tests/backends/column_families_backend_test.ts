/** The backend `lsm` keeps the contract of state backends when its states have trees of files of their own. */
import { stateModelSuite } from "../contracts/keyed_state_model.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";
import { familiesOf, lsmFactory } from "../support/family_factories.ts";

const TWO = familiesOf(2);

stateBackendContract("lsm with two families", lsmFactory(TWO, 8_388_608), {
  checking: lsmFactory(TWO, 8_388_608, true),
  chains: 2,
});
stateModelSuite("lsm with two families in little memory", lsmFactory(TWO, 65_536));
