import { type Offer, Offers, type OfferTrust, type OriginOffers, type PeerOffer } from './offers.ts';

/** Who offers what, asked only for what is needed. */
export interface OfferSources {
  /** Every model of every other node, by id. */
  peers(): Iterable<readonly PeerOffer[]>;
  /** The models of that id, of that alias where nobody has the id. */
  peersNamed(idOrAlias: string): readonly PeerOffer[];
  origins(): readonly OriginOffers[];
}

const MAX_NAMES = 1_000;

/**
 * `Offers` as of one moment, put together for one name at a time: a fleet with tens of thousands of models changes every
 * few seconds, and to go through all of them for each question about one took up to a second.
 */
export class KnownOffers implements Iterable<Offer> {
  readonly #sources: OfferSources;
  readonly #trust: OfferTrust;
  readonly #byName = new Map<string, Offers>();
  #all: Offers | undefined;

  constructor(sources: OfferSources, trust: OfferTrust) {
    this.#sources = sources;
    this.#trust = trust;
  }

  /** As in `Offers`; goes through all of them. */
  [Symbol.iterator](): IterableIterator<Offer> {
    return this.#everything()[Symbol.iterator]();
  }

  /** As in `Offers`; goes through all of them. */
  withDigest(digest: string): Offer | undefined {
    return this.#everything().withDigest(digest);
  }

  find(idOrAlias: string, digest?: string): Offer | undefined {
    return this.#named(idOrAlias).find(idOrAlias, digest);
  }

  hasOther(idOrAlias: string, offer: Offer): boolean {
    return this.#named(idOrAlias).hasOther(idOrAlias, offer);
  }

  isRefuted(idOrAlias: string, digest?: string): boolean {
    return this.#named(idOrAlias).isRefuted(idOrAlias, digest);
  }

  #everything(): Offers {
    this.#all ??= new Offers(this.#sources.peers(), this.#sources.origins(), this.#trust);
    return this.#all;
  }

  /** All that a question about the name may look at. */
  #named(name: string): Offers {
    const known = this.#all ?? this.#byName.get(name);
    if (known !== undefined) return known;
    const ids = this.#idsOf(name);
    const peers = Array.from(ids, (id) => this.#sources.peersNamed(id).filter(({ model }) => model.id === id));
    const origins = this.#sources
      .origins()
      .map(({ url, models }) => ({ url, models: Iterator.from(models).filter(({ id }) => ids.has(id)) }));
    const offers = new Offers(peers, origins, this.#trust);
    if (this.#byName.size >= MAX_NAMES) this.#byName.clear();
    this.#byName.set(name, offers);
    return offers;
  }

  #idsOf(name: string): ReadonlySet<string> {
    const ids = new Set<string>();
    let isId = false;
    for (const { model } of this.#sources.peersNamed(name)) {
      isId ||= model.id === name;
      ids.add(model.id);
    }
    for (const { models } of this.#sources.origins()) {
      for (const { id, aliases } of models) {
        isId ||= id === name;
        if (aliases.includes(name)) ids.add(id);
      }
    }
    return isId ? new Set([name]) : ids;
  }
}
