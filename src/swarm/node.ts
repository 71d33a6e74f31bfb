import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { type GossipSub, gossipsub } from '@libp2p/gossipsub';
import { type Identify, identify } from '@libp2p/identify';
import type { Ed25519PrivateKey, Libp2p } from '@libp2p/interface';
import { mdns } from '@libp2p/mdns';
import { type Ping, ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import type { Log } from '../util/log.ts';
import { fleetTag } from './fleet-key.ts';
import { fleetProtector } from './fleet-protector.ts';
import { noiseCrypto } from './noise-crypto.ts';
import { withCheapLengths } from './noise-lengths.ts';
import { GOSSIP_MAX_BYTES, RECORDS_TOPIC } from './protocols.ts';
import { loadStreamCiphers } from './stream-ciphers.ts';

export type SwarmNode = Libp2p<{ identify: Identify; ping: Ping; pubsub: GossipSub }>;

export interface ConnectionLimits {
  /** New connections that one address may open in a second; more are reset. */
  readonly inboundPerSecond: number;
  /** Connections whose handshake is not done. */
  readonly pending: number;
  readonly total: number;
}

/**
 * libp2p's own limits (5 a second, 10 pending) refuse a rack of pods behind one address that start together, and a
 * refused node waits for its next attempt. A handshake costs about 5 ms of one core, so 100 a second are half a core.
 */
export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = { inboundPerSecond: 100, pending: 200, total: 500 };

export interface SwarmNodeOptions {
  readonly privateKey: Ed25519PrivateKey;
  readonly fleetKey: Uint8Array;
  readonly listen: readonly Multiaddr[];
  readonly mdns: boolean;
  readonly limits?: Partial<ConnectionLimits>;
  /** libsodium's ciphers where they work, unless libp2p's own are asked for; nobody else sees a difference. */
  readonly ciphers?: 'libp2p';
}

/**
 * A receive window is memory that a stranger may fill, per stream; libp2p's 16 MiB times a dozen bulk streams would be
 * the whole of a daemon's 256 MiB. 1 MiB in flight carries 1 GiB/s at the millisecond of a LAN.
 */
const MAX_WINDOW_BYTES = 1024 * 1024;
const PREFIX = 'shoal';
const DIAL_MS = 5_000;
const DIAL_ADDRESS_MS = 3_000;

/** A started libp2p node of one fleet: TCP, the fleet key, noise, yamux, identify, ping, gossipsub and, if asked for, mDNS. */
export async function createSwarmNode(options: SwarmNodeOptions, parts: { log: Log }): Promise<SwarmNode> {
  const limits = { ...DEFAULT_CONNECTION_LIMITS, ...options.limits };
  const ciphers = options.ciphers === 'libp2p' ? undefined : loadStreamCiphers();
  return createLibp2p({
    privateKey: options.privateKey,
    nodeInfo: { name: 'shoal', version: '1', userAgent: 'shoal' },
    addresses: { listen: options.listen.map(String) },
    transports: [tcp()],
    connectionProtector: fleetProtector(options.fleetKey, { log: parts.log, ciphers }),
    connectionGater: { denyDialMultiaddr: () => false },
    connectionEncrypters: [withCheapLengths(noise(ciphers === undefined ? {} : { crypto: noiseCrypto(ciphers) }))],
    streamMuxers: [
      yamux({
        maxInboundStreams: 256,
        maxOutboundStreams: 256,
        streamOptions: { maxStreamWindowSize: MAX_WINDOW_BYTES },
      }),
    ],
    connectionManager: {
      inboundConnectionThreshold: limits.inboundPerSecond,
      maxIncomingPendingConnections: limits.pending,
      maxConnections: limits.total,
      inboundUpgradeTimeout: DIAL_MS,
      dialTimeout: DIAL_MS,
      addressDialTimeout: DIAL_ADDRESS_MS,
    },
    // Its pings would be most of what an idle node sends; who is silent for 90 s is hung up on by its record's expiry.
    connectionMonitor: { enabled: false },
    peerDiscovery: options.mdns
      ? [mdns({ serviceTag: `_shoal-${fleetTag(options.fleetKey)}._udp.local`, interval: 5_000 })]
      : [],
    services: {
      identify: identify({ protocolPrefix: PREFIX }),
      ping: ping({ protocolPrefix: PREFIX }),
      pubsub: gossipsub({
        // Heads carry their owner's signature: a second one by gossipsub would double what an idle node sends.
        globalSignaturePolicy: 'StrictNoSign',
        allowPublishToZeroTopicPeers: true,
        ignoreDuplicatePublishError: true,
        allowedTopics: [RECORDS_TOPIC],
        maxInboundDataLength: GOSSIP_MAX_BYTES,
        // A peer that reads nothing loses its stream before it costs much.
        maxOutboundBufferSize: 32 * GOSSIP_MAX_BYTES,
        // Own news go to everyone connected at once. What others say goes on through a thin mesh, for those who are not
        // connected with them; what gets lost the next head mends. An idle node sends 23 B/s for each other node so
        // (measured with 16), which is 1 KB/s with 40 of them.
        floodPublish: true,
        D: 2,
        Dlo: 1,
        Dhi: 3,
        Dout: 0,
        Dlazy: 1,
        gossipFactor: 0,
        mcacheGossip: 2,
        doPX: false,
        // By default more than ten peers of one address are held to be one attacker and are not listened to any more: here
        // they are pods of one host, and the fleet key keeps the attacker out.
        scoreParams: { IPColocationFactorWeight: 0 },
      }),
    },
  });
}
