import type { DaemonConfig } from './config.ts';
import type { DraftBook } from './flows/draft-book.ts';
import type { Holdings } from './flows/holdings.ts';
import { laneAddresses } from './flows/lane-addresses.ts';
import type { Store } from './store/store.ts';
import type { Swarm } from './swarm/swarm.ts';
import { RateLimiter } from './transfer/bandwidth.ts';
import type { DataPlane } from './transfer/data-plane.ts';
import { LaneBook } from './transfer/lane/lane-book.ts';
import { LaneServer } from './transfer/lane/lane-server.ts';
import { LaneTickets, TICKET_PROTOCOL } from './transfer/lane/lane-tickets.ts';
import { PieceServer } from './transfer/piece-server.ts';
import { PieceStreams } from './transfer/piece-streams.ts';
import { PIECE_PROTOCOL } from './transfer/piece-wire.ts';
import { UploadLedger } from './transfer/upload-ledger.ts';
import type { Clock } from './util/clock.ts';
import { formatHostPort } from './util/host-port.ts';
import type { Lifecycle } from './util/lifecycle.ts';
import type { Log } from './util/log.ts';
import type { Metrics } from './util/metrics.ts';

const STREAMS_PER_PEER = 4;

export interface PiecesGround {
  readonly lifecycle: Lifecycle;
  readonly store: Store;
  readonly plane: DataPlane;
  readonly swarm: Swarm;
  readonly holdings: Holdings;
  readonly drafts: DraftBook;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** What pieces travel through, both ways: the lane, and the libp2p stream where a lane is shut. */
export interface Pieces {
  readonly ledger: UploadLedger;
  readonly streams: PieceStreams;
  readonly lanes: LaneBook;
  /** Absent where the lane is off. */
  readonly laneServer: LaneServer | undefined;
}

/** Serves pieces from when it returns. @throws ShoalError `conflict` when the lane's port is taken */
export async function startPieces(config: DaemonConfig, ground: PiecesGround): Promise<Pieces> {
  const { lifecycle, store, plane, swarm, holdings, drafts, metrics, clock, log } = ground;
  const ledger = new UploadLedger({ metrics });
  const serving = {
    plane,
    log,
    ledger,
    limiter: new RateLimiter({ bytesPerSecond: config.upLimit ?? Infinity }, { clock }),
    locate: (sha256: string) => holdings.locate(sha256),
    onChanged: ({ sha256 }: { readonly sha256: string }) => {
      const located = store.catalog.locateBlob(drafts.blobOf(sha256));
      if (located !== undefined) store.scanner.suspect(located.relativePath);
    },
  };
  const server = lifecycle.own('piece server', new PieceServer(serving));
  await swarm.handle(PIECE_PROTOCOL, (stream, peerId) => server.handle(stream, peerId), {
    maxInboundStreams: STREAMS_PER_PEER,
  });
  let laneServer: LaneServer | undefined;
  if (config.lane !== 'off') {
    const isMember = (peerId: string): boolean => swarm.isMember(peerId);
    const tickets = config.laneEncryption ? {} : { tickets: await serveTickets(swarm, clock) };
    const parts = { ...serving, ...tickets, isMember };
    laneServer = lifecycle.own('lane', await LaneServer.start({ address: config.lane }, parts));
    swarm.gossip.setMeta({ lane: formatHostPort(laneServer.address) });
  }
  await swarm.haveMaps.serve((sha256) => holdings.haveMap(sha256));
  await swarm.runs.serve((draft) => drafts.feed(draft));
  await swarm.manifests.serve((cid) => store.catalog.manifestBytes(cid));
  const streams = lifecycle.own(
    'piece streams',
    new PieceStreams({
      open: (peerId, until) => swarm.openStream(peerId, PIECE_PROTOCOL, until),
      pool: plane.pool,
    }),
  );
  const lanes = new LaneBook({
    plane,
    addressesOf: (peerId) => laneAddresses(swarm.fleet.node(peerId), swarm.addressOf(peerId)),
    nameOf: (peerId) => swarm.fleet.node(peerId)?.name,
    clock,
    log,
  });
  return { ledger, streams, lanes, laneServer };
}

/** For lanes without encryption: who opens one is proved by libp2p. */
async function serveTickets(swarm: Swarm, clock: Clock): Promise<LaneTickets> {
  const openStream: Swarm['openStream'] = (peerId, protocol, until) => swarm.openStream(peerId, protocol, until);
  const tickets = new LaneTickets({ openStream, clock });
  const limits = { maxInboundStreams: STREAMS_PER_PEER };
  await swarm.handle(TICKET_PROTOCOL, (stream, peerId, until) => tickets.give(stream, peerId, until), limits);
  return tickets;
}
