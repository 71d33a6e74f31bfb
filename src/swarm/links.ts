import type { Connection, PeerId, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { isAbort, messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { SwarmNode } from './node.ts';

export interface ConnectedPeer {
  readonly peerId: string;
  readonly addr: string;
  readonly direction: 'inbound' | 'outbound';
  /** How long it has been connected. */
  readonly sinceMs: number;
}

export interface StreamLimits {
  /** Streams of this protocol that one peer may have open to us; more are reset. */
  readonly maxInboundStreams: number;
}

export type StreamHandler = (stream: Stream, peerId: string, signal: AbortSignal) => void | Promise<void>;
export type PeerListener = (peerId: string, direction: 'inbound' | 'outbound') => void;

/** Connections and streams by peer id: what the protocols need of libp2p, and no more of it. */
export class Links implements AsyncDisposable {
  readonly #node: SwarmNode;
  readonly #log: Log;
  readonly #addressesOf: (peerId: string) => readonly string[];
  readonly #closing = new AbortController();

  constructor(options: { addressesOf: (peerId: string) => readonly string[] }, parts: { node: SwarmNode; log: Log }) {
    this.#addressesOf = options.addressesOf;
    this.#node = parts.node;
    this.#log = parts.log;
  }

  get peerId(): string {
    return this.#node.peerId.toString();
  }

  isConnected(peerId: string): boolean {
    return this.#openConnection(peerId) !== undefined;
  }

  addressOf(peerId: string): string | undefined {
    return this.#openConnection(peerId)?.remoteAddr.toString();
  }

  connectedPeers(): ConnectedPeer[] {
    const peers = new Map<string, ConnectedPeer>();
    for (const connection of this.#node.getConnections()) {
      const peerId = connection.remotePeer.toString();
      if (connection.status !== 'open' || peers.has(peerId)) continue;
      peers.set(peerId, {
        peerId,
        addr: connection.remoteAddr.toString(),
        direction: connection.direction,
        sinceMs: Date.now() - connection.timeline.open,
      });
    }
    return [...peers.values()];
  }

  /**
   * A new stream, over the connection there is or one to the addresses of the peer's record.
   * @throws ShoalError `source-gone` when it cannot be reached or does not speak the protocol
   */
  async openStream(peerId: string, protocol: string, signal: AbortSignal): Promise<Stream> {
    try {
      const connection = this.#openConnection(peerId) ?? (await this.#dialPeer(peerId, signal));
      return await connection.newStream(protocol, { signal, maxOutboundStreams: 256 });
    } catch (error) {
      throw asGone(error, signal, `no ${protocol} stream to ${peerId}`);
    }
  }

  /** Connects to the peer of that id, unless it is connected. @throws ShoalError `source-gone` */
  async connect(peerId: string, signal: AbortSignal): Promise<void> {
    if (this.isConnected(peerId)) return;
    try {
      await this.#dialPeer(peerId, signal);
    } catch (error) {
      throw asGone(error, signal, `${peerId} cannot be reached`);
    }
  }

  /** Connects to whoever is there and holds the fleet key. @throws ShoalError `source-gone` */
  async dial(addresses: Multiaddr[], signal: AbortSignal): Promise<string> {
    try {
      return (await this.#node.dial(addresses, { signal })).remotePeer.toString();
    } catch (error) {
      throw asGone(error, signal, `${addresses.join(', ')} cannot be reached`);
    }
  }

  /** Closes every connection to a peer. */
  hangUp(peerId: string): void {
    const reason = new Error('nothing was heard of the peer');
    for (const connection of this.#node.getConnections(peerIdFromString(peerId))) connection.abort(reason);
  }

  /** Serves a protocol; a handler that throws costs its stream. */
  async handle(protocol: string, handler: StreamHandler, limits: StreamLimits): Promise<void> {
    await this.#node.handle(
      protocol,
      (stream, connection) => {
        void this.#serve(handler, stream, connection);
      },
      { maxInboundStreams: limits.maxInboundStreams },
    );
  }

  /** Calls back when the first connection to a peer opens and when its last one closes. Returns what ends it. */
  onPeer(listeners: { connect?: PeerListener; disconnect?: (peerId: string) => void }): () => void {
    const onConnect = (event: CustomEvent<PeerId>): void => {
      const peerId = event.detail.toString();
      listeners.connect?.(peerId, this.#openConnection(peerId)?.direction ?? 'inbound');
    };
    const onDisconnect = (event: CustomEvent<PeerId>): void => listeners.disconnect?.(event.detail.toString());
    this.#node.addEventListener('peer:connect', onConnect);
    this.#node.addEventListener('peer:disconnect', onDisconnect);
    return () => {
      this.#node.removeEventListener('peer:connect', onConnect);
      this.#node.removeEventListener('peer:disconnect', onDisconnect);
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DOMException('the swarm is closing', 'AbortError'));
    return Promise.resolve();
  }

  #openConnection(peerId: string): Connection | undefined {
    return this.#node.getConnections(peerIdFromString(peerId)).find(({ status }) => status === 'open');
  }

  #dialPeer(peerId: string, signal: AbortSignal): Promise<Connection> {
    const addresses = this.#addressesOf(peerId).map((address) => multiaddr(`${address}/p2p/${peerId}`));
    return this.#node.dial(addresses.length === 0 ? peerIdFromString(peerId) : addresses, { signal });
  }

  async #serve(handler: StreamHandler, stream: Stream, connection: Connection): Promise<void> {
    const peerId = connection.remotePeer.toString();
    try {
      await handler(stream, peerId, this.#closing.signal);
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)));
      if (!isAbort(error)) {
        this.#log.debug({ peer: peerId, protocol: stream.protocol, reason: messageOf(error) }, 'stream failed');
      }
    }
  }
}

function asGone(error: unknown, signal: AbortSignal, message: string): unknown {
  if (signal.aborted || error instanceof ShoalError) return error;
  return new ShoalError('source-gone', `${message}: ${messageOf(error)}`, { cause: error });
}
