/** The double that other tests stand on keeps the contract, too. */
import { rowStoreContract } from "../contracts/row_store.ts";
import { SortedRowStores } from "../support/sorted_row_store.ts";

rowStoreContract("SortedRowStore", { factory: () => new SortedRowStores() });
