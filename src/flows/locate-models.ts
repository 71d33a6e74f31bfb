import { EventEmitter } from 'node:events';
import { manifestMaxBytes } from '../content/manifest.ts';
import type { Swarm } from '../swarm/swarm.ts';
import type { BlameLedger } from '../transfer/blame.ts';
import type { DataPlane } from '../transfer/data-plane.ts';
import { FileOrigin } from '../transfer/file-origin.ts';
import type { LaneBook } from '../transfer/lane/lane-book.ts';
import { PeerSourceOpener } from '../transfer/lane/lane-source.ts';
import { neighboursOf } from '../transfer/neighbours.ts';
import type { Origin } from '../transfer/origin.ts';
import type { SourceOpener } from '../transfer/piece-source.ts';
import type { PieceStreams } from '../transfer/piece-streams.ts';
import { StreamSourceOpener } from '../transfer/stream-source.ts';
import { withDeadline } from '../util/deadline.ts';
import { messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Locator, WantedBlob } from './blob-fetch.ts';
import { KnownOffers } from './known-offers.ts';
import { OfferDoubts } from './offer-doubts.ts';
import type { Offer, OfferTrust } from './offers.ts';
import type { OriginLists } from './origin-lists.ts';

export interface ModelLocatorParts {
  readonly swarm: Swarm;
  readonly origins: OriginLists;
  readonly streams: PieceStreams;
  readonly lanes: LaneBook;
  readonly plane: DataPlane;
  readonly blame: BlameLedger;
  readonly log: Log;
}

const MANIFEST_DEADLINE_MS = 5_000;

/** Ids of the models that may be offered otherwise than before; undefined where that may be any. */
export type OfferChange = readonly string[] | undefined;

/** Where models are, by what nodes announce and origins list. */
export class ModelLocator extends EventEmitter<{ change: [OfferChange] }> implements Locator {
  readonly #parts: ModelLocatorParts;
  readonly #doubts = new OfferDoubts();
  #offers: KnownOffers | undefined;

  constructor(parts: ModelLocatorParts) {
    super();
    // Every blob that is being fetched listens.
    this.setMaxListeners(0);
    this.#parts = parts;
    const changed = (ids: OfferChange): void => {
      this.#offers = undefined;
      this.emit('change', ids);
    };
    parts.swarm.fleet.on('change', ({ added, removed }) => changed([...added.map(({ id }) => id), ...removed]));
    let listed = parts.origins.offers();
    parts.origins.on('change', () => {
      const before = listed;
      listed = parts.origins.offers();
      // They are read every minute, and hardly ever say anything new.
      changed(listed.every(({ models }, index) => models === before[index]?.models) ? [] : undefined);
    });
  }

  get offers(): KnownOffers {
    const { fleet } = this.#parts.swarm;
    const sources = {
      peers: () => fleet.models().values(),
      peersNamed: (idOrAlias: string) => fleet.offersOf(idOrAlias),
      origins: () => this.#parts.origins.offers(),
    };
    this.#offers ??= new KnownOffers(sources, this.#trust);
    return this.#offers;
  }

  readonly #trust: OfferTrust = {
    isRefuted: (files) => this.#doubts.isRefuted(files),
    lastFailureOf: (files) => this.#doubts.lastFailureOf(files),
    isBlamed: (peerId) => !this.#parts.blame.isAllowed({ kind: 'peer', id: peerId }),
  };

  /** An attempt at it came to nothing: where there are other manifests for the same, they are tried before it. */
  failed(offer: Offer): void {
    this.#doubts.failed(offer.files);
  }

  refute({ sha256, manifest }: WantedBlob): void {
    const { swarm, blame } = this.#parts;
    this.#doubts.refute(manifest);
    // Who holds only a part of it cannot have known.
    const liars = swarm.fleet.providersOf(sha256, manifest).filter(({ complete }) => complete);
    const detail = `announced a false manifest: ${manifest}`;
    for (const { peerId } of liars) {
      blame.strike({ kind: 'peer', id: peerId }, { reason: 'source-lied', sha256, piece: undefined, detail });
    }
    this.emit('change', undefined);
  }

  /** A mounted origin that lists the model, for what nobody has hashed. */
  mount(offer: Offer): FileOrigin | undefined {
    for (const url of offer.origins) {
      const origin = this.#parts.origins.origin(url);
      if (origin instanceof FileOrigin) return origin;
    }
    return undefined;
  }

  onChange(listener: (ids: OfferChange) => void): () => void {
    this.on('change', listener);
    return () => this.off('change', listener);
  }

  get self(): string {
    return this.#parts.swarm.peerId;
  }

  hasCompany(): boolean {
    return this.#parts.swarm.fleet.nodes().length > 0;
  }

  isReachable(peerId: string): boolean {
    return this.#parts.swarm.isConnected(peerId);
  }

  isMember(peerId: string): boolean {
    return this.#parts.swarm.isMember(peerId);
  }

  fetchers({ sha256, manifest }: WantedBlob): string[] {
    const providers = this.#parts.swarm.fleet.providersOf(sha256, manifest);
    return providers.filter(({ complete }) => !complete).map(({ peerId }) => peerId);
  }

  sources(blob: WantedBlob): SourceOpener[] {
    return [...this.peers(blob), ...this.#originSources(blob)];
  }

  peers(blob: WantedBlob): SourceOpener[] {
    const { swarm, streams, lanes, plane } = this.#parts;
    const { sha256, manifest } = blob;
    const candidates = swarm.fleet
      .providersOf(sha256, manifest)
      .map(({ peerId, complete }) => ({ id: peerId, fetching: !complete }));
    const fetchers = new Set(candidates.filter(({ fetching }) => fetching).map(({ id }) => id));
    return neighboursOf({ sha256, self: this.self }, candidates).map((peerId) => {
      const availability = swarm.haveMaps.watch(blob.sha256, peerId);
      const stream = new StreamSourceOpener({ peerId, availability }, { streams, plane });
      const fetching = fetchers.has(peerId);
      return new PeerSourceOpener({ peerId, availability, fetching }, { lanes, stream, plane });
    });
  }

  async manifest(blob: WantedBlob, signal: AbortSignal): Promise<Uint8Array> {
    const { swarm, origins, log } = this.#parts;
    const limits = { maxBytes: manifestMaxBytes(blob.sizeBytes) };
    const attempts = [
      ...swarm.fleet.providersOf(blob.sha256, blob.manifest).map(({ peerId }) => ({
        from: peerId,
        fetch: (deadline: AbortSignal) => swarm.manifests.fetch(peerId, blob.manifest, deadline, limits),
      })),
      ...origins.offers().flatMap(({ url, models }) => {
        const has = models.some(({ files }) => files.some(({ manifest }) => manifest === blob.manifest));
        const origin = has ? origins.origin(url) : undefined;
        if (origin === undefined) return [];
        return [{ from: url, fetch: (deadline: AbortSignal) => origin.manifest(blob.manifest, deadline) }];
      }),
    ];
    for (const { from, fetch } of attempts) {
      try {
        return await withDeadline(MANIFEST_DEADLINE_MS, fetch, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        log.debug({ from, manifest: blob.manifest, problem: messageOf(error) }, 'manifest not given');
      }
    }
    throw new ShoalError('not-found', `nobody gives the manifest of ${blob.path} now`, {
      remedy: 'It goes on by itself when a node or an origin that has it is back.',
    });
  }

  #originSources(blob: WantedBlob): SourceOpener[] {
    const { origins } = this.#parts;
    return origins.offers().flatMap(({ url, models }) => {
      const origin = origins.origin(url);
      if (origin === undefined) return [];
      for (const { files } of models) {
        for (const { path, sha256, sizeBytes, manifest } of files) {
          const fits =
            sha256 === undefined
              ? path === blob.path && sizeBytes === blob.sizeBytes
              : sha256 === blob.sha256 && manifest === blob.manifest;
          if (fits) return [openerOf(origin, path)];
        }
      }
      return [];
    });
  }
}

function openerOf(origin: Origin, path: string): SourceOpener {
  return {
    id: { kind: 'origin', id: origin.url },
    open: (blob, signal) => origin.open(blob, path, signal),
  };
}
