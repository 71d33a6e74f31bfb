import type { Model, Peer, Transfer } from '../../api/schemas.ts';
import { formatBytes, formatDuration } from '../../util/bytes.ts';
import { ShoalError } from '../../util/errors.ts';
import type { ClientCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { describeError } from '../output.ts';
import { formatTable } from '../table.ts';

/** `ls`, `peers` and `transfers`: one table each. */

export const ls: ClientCommand<{ fleet?: boolean }> = async ({ api, out, json, signal }, _words, { fleet = false }) => {
  const path = `/v1/models?scope=${fleet ? 'fleet' : 'local'}`;
  const { models } = await api.get<{ models: Model[] }>(path, signal);
  models.sort((a, b) => (a.id < b.id ? -1 : 1));
  if (json) {
    out.json({ models });
    return EXIT.done;
  }
  if (models.length === 0) {
    out.line(
      fleet ? 'Nobody in the fleet and no origin has a model.' : 'No models here. "shoal ls --fleet" names all.',
    );
    return EXIT.done;
  }
  const rows = models.map((model) => [
    model.id,
    formatBytes(model.sizeBytes),
    model.state,
    [...(model.pinned ? ['pinned'] : []), ...(model.wanted ? ['wanted'] : [])].join(', '),
    fleet ? [...model.nodes, ...(model.origins.length > 0 ? ['(origin)'] : [])].join(', ') : '',
    model.digest?.slice('sha256:'.length, 'sha256:'.length + 12) ?? '',
  ]);
  const columns = [
    { title: 'MODEL', shrinks: true },
    { title: 'SIZE', align: 'right' },
    { title: 'STATE' },
    { title: 'MARKS' },
    { title: 'NODES', shrinks: true },
    { title: 'DIGEST', yields: true },
  ] as const;
  for (const line of formatTable(columns, rows, out.width())) out.line(line);
  for (const { id, problem } of models) {
    if (problem !== undefined) out.line(`${id}: ${problemText(problem)}`);
  }
  return EXIT.done;
};

export const peers: ClientCommand = async ({ api, out, json, signal }) => {
  const document = await api.get<{ peers: Peer[] }>('/v1/peers', signal);
  if (json) {
    out.json(document);
    return EXIT.done;
  }
  if (document.peers.length === 0) {
    out.line('No other nodes. "shoal doctor" tells what may be in the way.');
    return EXIT.done;
  }
  const rows = document.peers.map((peer) => [
    peer.name,
    peer.connected ? 'connected' : `seen ${formatDuration(peer.seenMsAgo)} ago`,
    piecesOver(peer),
    `${peer.models}`,
    formatBytes(peer.freeBytes),
    formatBytes(peer.receivedBytes),
    formatBytes(peer.sentBytes),
    peer.rejectedPieces === 0 ? '' : `${peer.rejectedPieces}`,
    peer.blamed === undefined ? '' : `${peer.blamed.reason}, until ${peer.blamed.until}`,
    peer.peerId,
  ]);
  const columns = [
    { title: 'NAME' },
    { title: 'STATE' },
    { title: 'PIECES OVER', shrinks: true },
    { title: 'MODELS', align: 'right' },
    { title: 'FREE', align: 'right' },
    { title: 'RECEIVED', align: 'right' },
    { title: 'SENT', align: 'right' },
    { title: 'REJECTED', align: 'right' },
    { title: 'BLAMED', shrinks: true },
    { title: 'PEER', shrinks: true },
  ] as const;
  for (const line of formatTable(columns, rows, out.width())) out.line(line);
  return EXIT.done;
};

export const transfers: ClientCommand = async ({ api, out, json, signal }) => {
  const document = await api.get<{ transfers: Transfer[] }>('/v1/transfers', signal);
  if (json) {
    out.json(document);
    return EXIT.done;
  }
  if (document.transfers.length === 0) {
    out.line('Nothing is being fetched.');
    return EXIT.done;
  }
  const rows = document.transfers.map((transfer) => [
    transfer.model,
    transfer.state,
    `${percent(transfer.bytesDone, transfer.bytesTotal)} of ${formatBytes(transfer.bytesTotal)}`,
    transfer.bytesPerSecond > 0 ? `${formatBytes(transfer.bytesPerSecond)}/s` : '',
    transfer.etaMs === undefined ? '' : formatDuration(transfer.etaMs),
    transfer.sources
      .filter((source) => source.state !== 'gone')
      .map((source) => `${source.name ?? source.id}${source.state === 'active' ? '' : ` (${source.state})`}`)
      .join(', '),
  ]);
  const columns = [
    { title: 'MODEL', shrinks: true },
    { title: 'STATE' },
    { title: 'DONE', align: 'right' },
    { title: 'RATE', align: 'right' },
    { title: 'LEFT', align: 'right' },
    { title: 'SOURCES', shrinks: true },
  ] as const;
  for (const line of formatTable(columns, rows, out.width())) out.line(line);
  for (const { model, problem } of document.transfers) {
    if (problem !== undefined) out.line(`${model}: ${problemText(problem)}`);
  }
  return EXIT.done;
};

function problemText({ message, remedy }: NonNullable<Model['problem']>): string {
  return describeError(new ShoalError('conflict', message, remedy === undefined ? {} : { remedy }));
}

/** How pieces come from it: the lane is tried only when something is fetched, until then nobody knows. */
function piecesOver({ transport, laneProblem, receivedBytes }: Peer): string {
  if (transport !== 'stream') return transport === 'none' ? '' : transport;
  if (laneProblem !== undefined) return `stream: ${laneProblem}`;
  return receivedBytes > 0 ? 'stream' : '';
}

/** Never rounds up to 100 %. */
export function percent(done: number, total: number): string {
  return total === 0 ? '100%' : `${Math.floor((done / total) * 100)}%`;
}
