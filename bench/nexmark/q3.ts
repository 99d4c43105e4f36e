/**
 * Nexmark q3: who from three states sells things of category 10. Whichever comes first waits for the other, for ever.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts.
 *
 * @module
 */
import { CoActor, listState, valueState } from "../../mod.ts";
import type { Auction, Person } from "./events.ts";
import type { Query } from "./query.ts";

/** An auction and its seller. */
interface LocalSale extends Pick<Person, "name" | "city" | "state"> {
  readonly auction: number;
}

/** One seller. */
class Seller extends CoActor<number, Auction, Person, LocalSale> {
  readonly #person = this.state(valueState<Pick<Person, "name" | "city" | "state">>("person"));
  readonly #auctions = this.state(listState<number>("auctions that wait for the person"));

  override onFirst({ id }: Auction): void {
    const person = this.#person.value();
    if (person === null) this.#auctions.add(id);
    else this.emit({ ...person, auction: id });
  }

  override onSecond({ name, city, state }: Person): void {
    const person = { name, city, state };
    this.#person.update(person);
    for (const auction of this.#auctions.get()) this.emit({ ...person, auction });
    this.#auctions.clear();
  }
}

const STATES = new Set(["OR", "ID", "CA"]);

/** The query. */
export const q3: Query = ({ auctions, people }, out) =>
  auctions.filter(({ category }) => category === 10).keyBy(({ seller }) => seller)
    .connect(people.filter(({ state }) => STATES.has(state)).keyBy(({ id }) => id))
    .actor("sellers", () => new Seller())
    .sinkTo("out", out);
