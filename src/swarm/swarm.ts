import type { Ed25519PrivateKey, Stream } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { loadBlake3 } from '../content/blake3.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';
import { Fleet } from './fleet.ts';
import { CatalogGossip } from './gossip.ts';
import { HaveMaps } from './have-maps.ts';
import { type ConnectedPeer, Links, type PeerListener, type StreamHandler, type StreamLimits } from './links.ts';
import { ManifestExchange } from './manifest-exchange.ts';
import { type ConnectionLimits, createSwarmNode, type SwarmNode } from './node.ts';
import { OwnRecord } from './own-record.ts';
import { PeerFinder } from './peer-finder.ts';
import { announcedAddresses } from './record.ts';
import { RunExchange } from './run-exchange.ts';

export interface SwarmOptions {
  readonly privateKey: Ed25519PrivateKey;
  readonly fleetKey: Uint8Array;
  /** This node's name for people. */
  readonly name: string;
  readonly listen: readonly Multiaddr[];
  readonly bootstrap: readonly Multiaddr[];
  readonly mdns: boolean;
  /** `host:port`; may be told later with `gossip.setMeta`. */
  readonly lane?: string;
  readonly api?: string;
  readonly limits?: Partial<ConnectionLimits>;
  /** First sequence number; by default the wall clock in milliseconds, so that it grows across restarts. */
  readonly initialSeq?: number;
  /** Time between two heads; only tests are in a hurry. */
  readonly beatMs?: number;
}

export interface SwarmParts {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
}

/** The other nodes: who is there, what they have, and streams to them. */
export class Swarm implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly gossip: CatalogGossip;
  readonly haveMaps: HaveMaps;
  readonly manifests: ManifestExchange;
  readonly runs: RunExchange;
  readonly #node: SwarmNode;
  readonly #links: Links;
  readonly #finder: PeerFinder;

  private constructor(parts: {
    node: SwarmNode;
    links: Links;
    fleet: Fleet;
    gossip: CatalogGossip;
    haveMaps: HaveMaps;
    manifests: ManifestExchange;
    runs: RunExchange;
    finder: PeerFinder;
  }) {
    this.#node = parts.node;
    this.#links = parts.links;
    this.fleet = parts.fleet;
    this.gossip = parts.gossip;
    this.haveMaps = parts.haveMaps;
    this.manifests = parts.manifests;
    this.runs = parts.runs;
    this.#finder = parts.finder;
  }

  /** Listens when it returns; nothing is announced or looked for before `run`. */
  static async start(options: SwarmOptions, parts: SwarmParts): Promise<Swarm> {
    const { log, metrics, clock, random } = parts;
    const blake3 = await loadBlake3();
    const node = await createSwarmNode(options, { log });
    const fleet = new Fleet({ self: node.peerId.toString() }, { blake3, clock, log, metrics });
    const links = new Links({ addressesOf: (peerId) => fleet.node(peerId)?.addresses ?? [] }, { node, log });
    const meta = {
      name: options.name,
      addresses: announcedAddresses(node.getMultiaddrs()),
      ...(options.lane === undefined ? {} : { lane: options.lane }),
      ...(options.api === undefined ? {} : { api: options.api }),
    };
    const { privateKey, initialSeq = clock.now() } = options;
    const own = new OwnRecord({ privateKey, initialSeq, meta }, { blake3, clock, log, fleet });
    const gossip = new CatalogGossip(
      { ...(options.beatMs === undefined ? {} : { beatMs: options.beatMs }) },
      { own, fleet, links, pubsub: node.services.pubsub, blake3, log, metrics, random, clock },
    );
    const finder = new PeerFinder({ bootstrap: options.bootstrap }, { node, links, fleet, log, random });
    const connections = metrics.gauge('shoal_connections', 'Peers connected now');
    const count = (): void => connections.set(node.getPeers().length);
    links.onPeer({ connect: count, disconnect: count });
    const haveMaps = new HaveMaps({ blobSize: (sha256, peerId) => fleet.blobSize(sha256, peerId) }, { links, log });
    const manifests = new ManifestExchange({ links, blake3 });
    const runs = new RunExchange({ privateKey }, { links });
    return new Swarm({ node, links, fleet, gossip, haveMaps, manifests, runs, finder });
  }

  get peerId(): string {
    return this.#links.peerId;
  }

  /** Where it listens, with its peer id. */
  multiaddrs(): string[] {
    return this.#node.getMultiaddrs().map(String);
  }

  /** Somebody who holds the fleet key: connected now, or known by a fresh record. */
  isMember(peerId: string): boolean {
    return this.fleet.node(peerId) !== undefined || this.#links.isConnected(peerId);
  }

  /** The other end of the connection to a peer, as a multiaddr. */
  addressOf(peerId: string): string | undefined {
    return this.#links.addressOf(peerId);
  }

  connectedPeers(): (ConnectedPeer & { readonly name?: string })[] {
    return this.#links.connectedPeers().map((peer) => {
      const name = this.fleet.node(peer.peerId)?.name;
      return name === undefined ? peer : { ...peer, name };
    });
  }

  isConnected(peerId: string): boolean {
    return this.#links.isConnected(peerId);
  }

  /**
   * A stream to a peer, which is dialled by the addresses of its record unless it is connected.
   * @throws ShoalError `source-gone`
   */
  openStream(peerId: string, protocol: string, signal: AbortSignal): Promise<Stream> {
    return this.#links.openStream(peerId, protocol, signal);
  }

  /** Serves a protocol to other nodes; a handler that throws costs its stream only. */
  handle(protocol: string, handler: StreamHandler, limits: StreamLimits): Promise<void> {
    return this.#links.handle(protocol, handler, limits);
  }

  /** Returns what ends it. */
  onPeer(listeners: { connect?: PeerListener; disconnect?: (peerId: string) => void }): () => void {
    return this.#links.onPeer(listeners);
  }

  /**
   * Announces, listens to the others and keeps connections, until the signal fires.
   * @param firstLook ends when `gossip.update` has been told what is here
   */
  async run(signal: AbortSignal, firstLook?: Promise<unknown>): Promise<void> {
    const addresses = (): void => this.gossip.setMeta({ addresses: announcedAddresses(this.#node.getMultiaddrs()) });
    this.#node.addEventListener('self:peer:update', addresses);
    try {
      await Promise.all([this.gossip.run(signal, firstLook), this.#finder.run(signal), this.haveMaps.run(signal)]);
    } finally {
      this.#node.removeEventListener('self:peer:update', addresses);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.haveMaps[Symbol.asyncDispose]();
    await this.#links[Symbol.asyncDispose]();
    await this.#node.stop();
  }
}
