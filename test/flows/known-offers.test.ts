import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Model } from '../../src/content/model.ts';
import { KnownOffers } from '../../src/flows/known-offers.ts';
import { type Offer, Offers, type OfferTrust, type OriginOffers, type PeerOffer } from '../../src/flows/offers.ts';
import type { OriginModel } from '../../src/transfer/origin.ts';
import { seededRandom } from '../../src/util/random.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const DIGESTS = ['sha256:1', 'sha256:2'];

/** A small fleet full of names that mean several things. */
class Confusion {
  readonly peers: PeerOffer[] = [];
  readonly origins: OriginOffers[];
  readonly trust: OfferTrust;

  constructor(seed: number) {
    const random = seededRandom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const some = (of: readonly string[]): string[] => of.filter(() => below(4) === 0);
    const file = (): { path: string; sizeBytes: number; sha256: string; manifest: string } => ({
      path: 'x',
      sizeBytes: 1 + below(2),
      sha256: String(below(2)),
      manifest: String(below(3)),
    });
    const model = (): Model =>
      ({ id: NAMES[below(5)], aliases: some(NAMES), digest: DIGESTS[below(2)], files: [file()] }) as unknown as Model;
    for (let count = below(8); count > 0; count -= 1) this.peers.push({ peerId: `peer-${below(3)}`, model: model() });
    const listed = (): OriginModel => {
      const { digest, ...rest } = model();
      return below(2) === 0 ? rest : { ...rest, digest };
    };
    this.origins = ['file:///nas', 'http://nas/'].map((url) => ({
      url,
      models: Array.from({ length: below(3) }, listed),
    }));
    const refuted = String(below(6));
    this.trust = {
      isRefuted: (files) => files.some(({ manifest }) => manifest === refuted),
      lastFailureOf: () => 0,
      isBlamed: () => false,
    };
  }

  byId(): PeerOffer[][] {
    return [...Map.groupBy(this.peers, ({ model }) => model.id).values()];
  }

  /** As a fleet answers. */
  named(name: string): PeerOffer[] {
    const found = this.peers.filter(({ model }) => model.id === name || model.aliases.includes(name));
    const byId = found.filter(({ model }) => model.id === name);
    return byId.length > 0 ? byId : found;
  }
}

const told = (offer: Offer | undefined): unknown =>
  offer === undefined ? undefined : { ...offer, peers: offer.peers.toSorted(), origins: offer.origins.toSorted() };

test('a question about a name is answered as if all offers had been looked at', () => {
  for (let seed = 1; seed <= 2_000; seed += 1) {
    const fleet = new Confusion(seed);
    const all = new Offers(fleet.byId(), fleet.origins, fleet.trust);
    const sources = {
      peers: (): PeerOffer[][] => assert.fail('looked at all'),
      peersNamed: (name: string) => fleet.named(name),
      origins: () => fleet.origins,
    };
    const known = new KnownOffers(sources, fleet.trust);
    for (const name of NAMES) {
      for (const digest of [undefined, ...DIGESTS]) {
        const offer = all.find(name, digest);
        assert.deepEqual(told(known.find(name, digest)), told(offer), `seed ${seed}, ${name}`);
        assert.equal(known.isRefuted(name, digest), all.isRefuted(name, digest), `seed ${seed}, ${name}`);
        if (offer !== undefined) assert.equal(known.hasOther(name, offer), all.hasOther(name, offer), `seed ${seed}`);
      }
    }
  }
});
