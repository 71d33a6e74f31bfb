import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { generateFleetKey } from '../../../src/swarm/fleet-key.ts';
import { createSwarmNode, type SwarmNode } from '../../../src/swarm/node.ts';
import { PIECE_PROTOCOL } from '../../../src/transfer/piece-wire.ts';
import { silentLog } from '../../../src/util/log.ts';

export type Serve = (stream: Stream, peerId: string) => void | Promise<void>;

/** Two real libp2p nodes of one fleet on loopback; the second serves the piece protocol as the test says. */
export class SwarmPair implements AsyncDisposable {
  readonly client: SwarmNode;
  readonly server: SwarmNode;
  serve: Serve = (stream) => stream.abort(new Error('nobody serves'));
  streamsServed = 0;

  private constructor(client: SwarmNode, server: SwarmNode) {
    this.client = client;
    this.server = server;
  }

  static async start(): Promise<SwarmPair> {
    const fleetKey = Buffer.from(generateFleetKey());
    const node = async (): Promise<SwarmNode> =>
      await createSwarmNode(
        {
          privateKey: await generateKeyPair('Ed25519'),
          fleetKey,
          listen: [multiaddr('/ip4/127.0.0.1/tcp/0')],
          mdns: false,
        },
        { log: silentLog },
      );
    const pair = new SwarmPair(await node(), await node());
    const handler = async (stream: Stream, connection: { remotePeer: { toString(): string } }): Promise<void> => {
      pair.streamsServed += 1;
      await pair.serve(stream, connection.remotePeer.toString());
    };
    await pair.server.handle(PIECE_PROTOCOL, handler, { maxInboundStreams: 256 });
    await pair.client.dial(pair.server.getMultiaddrs());
    return pair;
  }

  get serverId(): string {
    return this.server.peerId.toString();
  }

  readonly open = async (peerId: string, signal: AbortSignal): Promise<Stream> => {
    if (peerId !== this.serverId) throw new Error(`no peer ${peerId}`);
    return await this.client.dialProtocol(this.server.getMultiaddrs(), PIECE_PROTOCOL, { signal });
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.client.stop(), this.server.stop()]);
  }
}
