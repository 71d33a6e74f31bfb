import type { Model } from '../content/model.ts';
import type { OriginModel } from '../transfer/origin.ts';

/** Something that could be fetched: one model as some nodes and origins describe it alike. */
export interface Offer {
  readonly id: string;
  readonly aliases: readonly string[];
  /** `sha256:<hex>`; absent for what lies on an origin that nobody has hashed. */
  readonly digest?: string;
  readonly sizeBytes: number;
  readonly files: readonly OfferedFile[];
  readonly metadata?: Model['metadata'];
  readonly peers: readonly string[];
  readonly origins: readonly string[];
}

export interface OfferedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256?: string;
  readonly manifest?: string;
}

export interface PeerOffer {
  readonly peerId: string;
  readonly model: Model;
}

export interface OriginOffers {
  readonly url: string;
  readonly models: Iterable<OriginModel>;
}

/** All that nodes and origins offer, by id, and the names that lead there. */
export class Offers {
  readonly #byId = new Map<string, OpenOffer[]>();
  readonly #idsByAlias = new Map<string, Set<string>>();

  constructor(peers: Iterable<readonly PeerOffer[]>, origins: Iterable<OriginOffers>) {
    for (const offers of peers) {
      for (const { peerId, model } of offers) this.#offer(model.id, model.digest, model).peers.push(peerId);
    }
    const unhashed: { url: string; model: OriginModel }[] = [];
    for (const { url, models } of origins) {
      for (const model of models) {
        if (model.digest === undefined) unhashed.push({ url, model });
        else this.#offer(model.id, model.digest, model).origins.push(url);
      }
    }
    for (const { url, model } of unhashed) {
      // Bytes of an unhashed file are as good as any other's as long as each piece is checked against a known manifest.
      const known = this.#byId.get(model.id)?.filter((offer) => sameShape(offer, model)) ?? [];
      if (known.length === 0) this.#offer(model.id, undefined, model).origins.push(url);
      else for (const offer of known) offer.origins.push(url);
    }
  }

  /** Every id once, as its best offer. */
  *[Symbol.iterator](): IterableIterator<Offer> {
    for (const offers of this.#byId.values()) {
      const best = offers.toSorted(better)[0];
      if (best !== undefined) yield best;
    }
  }

  /**
   * By id, else by an alias; `digest` picks among different models of that name. Without it an origin's word counts
   * most, then the number of nodes that have it.
   */
  find(idOrAlias: string, digest?: string): Offer | undefined {
    const ids = this.#byId.has(idOrAlias) ? [idOrAlias] : [...(this.#idsByAlias.get(idOrAlias) ?? [])];
    const candidates = ids.flatMap((id) => this.#byId.get(id) ?? []);
    const fitting = digest === undefined ? candidates : candidates.filter((offer) => offer.digest === digest);
    return fitting.toSorted(better)[0];
  }

  #offer(id: string, digest: string | undefined, like: Model | OriginModel): OpenOffer {
    const offers = this.#byId.get(id) ?? [];
    if (offers.length === 0) this.#byId.set(id, offers);
    for (const alias of like.aliases) {
      const ids = this.#idsByAlias.get(alias);
      if (ids === undefined) this.#idsByAlias.set(alias, new Set([id]));
      else ids.add(id);
    }
    const found = offers.find((offer) => offer.digest === digest);
    if (found !== undefined) return found;
    const made: OpenOffer = {
      id,
      aliases: like.aliases,
      ...(digest === undefined ? {} : { digest }),
      sizeBytes: like.files.reduce((sum, file) => sum + file.sizeBytes, 0),
      files: like.files,
      ...('metadata' in like ? { metadata: like.metadata } : {}),
      peers: [],
      origins: [],
    };
    offers.push(made);
    return made;
  }
}

type OpenOffer = Offer & { readonly peers: string[]; readonly origins: string[] };

/** Hashed before unhashed, origins before peers, many nodes before few; the digest decides what is left, alike everywhere. */
function better(a: Offer, b: Offer): number {
  return (
    Number(b.digest !== undefined) - Number(a.digest !== undefined) ||
    Number(b.origins.length > 0) - Number(a.origins.length > 0) ||
    b.peers.length - a.peers.length ||
    (a.digest ?? '').localeCompare(b.digest ?? '') ||
    a.id.localeCompare(b.id)
  );
}

function sameShape(offer: Offer, model: OriginModel): boolean {
  if (offer.files.length !== model.files.length) return false;
  const sizes = new Map(model.files.map((file) => [file.path, file.sizeBytes]));
  return offer.files.every((file) => sizes.get(file.path) === file.sizeBytes);
}
