import type { Node } from '../../api/schemas.ts';
import { formatBytes, formatDuration } from '../../util/bytes.ts';
import type { ClientCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

export const status: ClientCommand = async ({ api, out, json, signal }) => {
  const node = await api.get<Node>('/v1/node', signal);
  if (json) out.json(node);
  else for (const line of describeNode(node)) out.line(line);
  return EXIT.done;
};

function describeNode(node: Node): string[] {
  const { disk, models } = node;
  const cap = disk.cacheMaxBytes === undefined ? '' : ` of at most ${formatBytes(disk.cacheMaxBytes)}`;
  const reserved = disk.reservedBytes > 0 ? `, ${formatBytes(disk.reservedBytes)} reserved for downloads` : '';
  const counts = (['installed', 'fetching', 'queued', 'missing', 'corrupt'] as const)
    .filter((state) => state === 'installed' || models[state] > 0)
    .map((state) => `${models[state]} ${state}`);
  const rows: (readonly [string, string])[] = [
    ['node', `${node.name} (${node.peerId})`],
    [
      'version',
      `${node.version}, up ${formatDuration(node.uptimeSeconds * 1000)}, ${formatBytes(node.rssBytes)} memory`,
    ],
    ['api', node.api],
    ...node.listen.map((address) => ['libp2p', address] as const),
    ...(node.lane === undefined ? [] : [['lane', node.lane] as const]),
    ['peers', `${node.peers} connected`],
    ['models', `${counts.join(', ')}; ${models.wanted} wanted`],
    ['disk', `${formatBytes(disk.freeBytes)} of ${formatBytes(disk.totalBytes)} free on ${disk.modelsDir}`],
    ['', `models use ${formatBytes(disk.usedByModelsBytes)}${cap}${reserved}`],
    ...node.orchestrators.map(({ url, registered, problem }) => {
      const state = registered ? 'registered' : 'not registered';
      return ['orchestrator', `${url}: ${problem === undefined ? state : `${state}, ${problem.message}`}`] as const;
    }),
  ];
  return rows.map(([name, value]) => `${name.padEnd(14)}${value}`);
}
