import type { Model } from '../content/model.ts';
import type { OriginModel } from '../transfer/origin.ts';

/** Something that could be fetched: one model as some nodes and origins describe it alike, manifests included. */
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
  /** Time of the modification, as decimal text; only of files that nobody has hashed. */
  readonly modifiedNs?: string;
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

/** What is known against offers; asked anew for every choice. */
export interface OfferTrust {
  /** Proved to be a lie: never chosen. */
  isRefuted(files: readonly OfferedFile[]): boolean;
  /** Grows with the time of its last vain attempt; 0 when there was none. */
  lastFailureOf(files: readonly OfferedFile[]): number;
  isBlamed(peerId: string): boolean;
}

const NOTHING_KNOWN: OfferTrust = { isRefuted: () => false, lastFailureOf: () => 0, isBlamed: () => false };

/**
 * All that nodes and origins offer, by id, and the names that lead there. One digest may be offered with several
 * manifests, of which at most one is honest: each is an offer of its own, so that no piece of an honest node is held
 * against the manifest of another.
 */
export class Offers {
  readonly #byId = new Map<string, OpenOffer[]>();
  readonly #idsByAlias = new Map<string, Set<string>>();
  readonly #trust: OfferTrust;
  #byDigest: ReadonlyMap<string | undefined, readonly OpenOffer[]> | undefined;

  constructor(
    peers: Iterable<readonly PeerOffer[]>,
    origins: Iterable<OriginOffers>,
    trust: OfferTrust = NOTHING_KNOWN,
  ) {
    this.#trust = trust;
    for (const offers of peers) {
      // Nodes that announce the same share one object and stand together: it is looked at once.
      let last: { readonly model: Model; readonly open: OpenOffer } | undefined;
      for (const { peerId, model } of offers) {
        if (last?.model !== model) last = { model, open: this.#offer(model.id, model.digest, model) };
        last.open.peers.push(peerId);
      }
    }
    const unhashed: { url: string; model: OriginModel }[] = [];
    for (const { url, models } of origins) {
      for (const model of models) {
        if (model.digest === undefined) unhashed.push({ url, model });
        else {
          const offer = this.#offer(model.id, model.digest, model);
          offer.origins.push(url);
          offer.published = true;
        }
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
      const best = this.#best(offers);
      if (best !== undefined) yield best;
    }
  }

  /**
   * By id, else by an alias; `digest` picks among different models of that name. Without it an origin's word counts
   * most, then the number of nodes that have it.
   */
  find(idOrAlias: string, digest?: string): Offer | undefined {
    return this.#best(this.#candidates(idOrAlias, digest));
  }

  /** Under whatever name. */
  withDigest(digest: string): Offer | undefined {
    // Thousands of registrations may ask, one after the other.
    this.#byDigest ??= Map.groupBy([...this.#byId.values()].flat(), (offer) => offer.digest);
    return this.#best(this.#byDigest.get(digest) ?? []);
  }

  /** The same bytes by their digest are offered with other manifests, too. */
  hasOther(idOrAlias: string, { digest, files }: Offer): boolean {
    return this.#candidates(idOrAlias, digest).some(
      (offer) => !sameFiles(offer.files, files) && !this.#trust.isRefuted(offer.files),
    );
  }

  /** It is offered, but only by liars. */
  isRefuted(idOrAlias: string, digest?: string): boolean {
    const candidates = this.#candidates(idOrAlias, digest);
    return candidates.length > 0 && candidates.every(({ files }) => this.#trust.isRefuted(files));
  }

  #candidates(idOrAlias: string, digest: string | undefined): OpenOffer[] {
    const ids = this.#byId.has(idOrAlias) ? [idOrAlias] : [...(this.#idsByAlias.get(idOrAlias) ?? [])];
    const candidates = ids.flatMap((id) => this.#byId.get(id) ?? []);
    return digest === undefined ? candidates : candidates.filter((offer) => offer.digest === digest);
  }

  /** First which model, then with which manifests. */
  #best(candidates: readonly OpenOffer[]): Offer | undefined {
    if (candidates.length <= 1) return candidates.find(({ files }) => !this.#trust.isRefuted(files));
    const models = new Map<string, OpenOffer[]>();
    for (const offer of candidates) {
      if (this.#trust.isRefuted(offer.files)) continue;
      const key = `${offer.digest ?? ''} ${offer.id}`;
      const variants = models.get(key);
      if (variants === undefined) models.set(key, [offer]);
      else variants.push(offer);
    }
    const [best] = [...models.values()].sort(betterModel);
    const variants = best?.map((offer) => ({ offer, trust: this.#trustIn(offer) })) ?? [];
    return variants.sort(betterVariant)[0]?.offer;
  }

  #trustIn({ files, peers, published }: OpenOffer): { lastFailure: number; blamed: boolean } {
    const blamed = !published && peers.length > 0 && peers.every((peerId) => this.#trust.isBlamed(peerId));
    return { lastFailure: this.#trust.lastFailureOf(files), blamed };
  }

  #offer(id: string, digest: string | undefined, like: Model | OriginModel): OpenOffer {
    const offers = this.#byId.get(id) ?? [];
    if (offers.length === 0) this.#byId.set(id, offers);
    for (const alias of like.aliases) {
      const ids = this.#idsByAlias.get(alias);
      if (ids === undefined) this.#idsByAlias.set(alias, new Set([id]));
      else ids.add(id);
    }
    const found = offers.find((offer) => offer.digest === digest && sameFiles(offer.files, like.files));
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
      published: false,
    };
    offers.push(made);
    return made;
  }
}

type OpenOffer = Offer & {
  readonly peers: string[];
  readonly origins: string[];
  /** An origin names these very manifests; one that nobody has hashed vouches for none. */
  published: boolean;
};

interface Variant {
  readonly offer: OpenOffer;
  readonly trust: { readonly lastFailure: number; readonly blamed: boolean };
}

/** Hashed before unhashed, origins before peers, many nodes before few; the digest decides what is left, alike everywhere. */
function betterModel(as: readonly OpenOffer[], bs: readonly OpenOffer[]): number {
  const [a] = as;
  const [b] = bs;
  if (a === undefined || b === undefined) return 0;
  const fromOrigin = (offers: readonly OpenOffer[]): number => Number(offers.some(({ origins }) => origins.length > 0));
  const nodes = (offers: readonly OpenOffer[]): number => offers.reduce((sum, { peers }) => sum + peers.length, 0);
  return (
    Number(b.digest !== undefined) - Number(a.digest !== undefined) ||
    fromOrigin(bs) - fromOrigin(as) ||
    nodes(bs) - nodes(as) ||
    (a.digest ?? '').localeCompare(b.digest ?? '') ||
    a.id.localeCompare(b.id)
  );
}

/** Nobody known as a liar, what has not failed before what has, then as above: every way gets its turn. */
function betterVariant(a: Variant, b: Variant): number {
  return (
    Number(a.trust.blamed) - Number(b.trust.blamed) ||
    a.trust.lastFailure - b.trust.lastFailure ||
    Number(b.offer.published) - Number(a.offer.published) ||
    b.offer.peers.length - a.offer.peers.length ||
    (a.offer.files[0]?.manifest ?? '').localeCompare(b.offer.files[0]?.manifest ?? '')
  );
}

function sameFiles(a: readonly OfferedFile[], b: readonly OfferedFile[]): boolean {
  if (a === b) return true;
  return (
    a.length === b.length &&
    a.every(({ manifest, sizeBytes, modifiedNs }, at) => {
      const other = b[at];
      return manifest === other?.manifest && sizeBytes === other?.sizeBytes && modifiedNs === other.modifiedNs;
    })
  );
}

function sameShape(offer: Offer, model: OriginModel): boolean {
  if (offer.files.length !== model.files.length) return false;
  const sizes = new Map(model.files.map((file) => [file.path, file.sizeBytes]));
  return offer.files.every((file) => sizes.get(file.path) === file.sizeBytes);
}
