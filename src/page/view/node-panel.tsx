import type { VNode } from 'preact';
import type { Node, Origin } from '../../api/schemas.ts';
import { formatAge, formatBytes } from '../format.ts';
import { Bar } from './bar.tsx';

/** This daemon: its disk, and how long ago orchestrators and origins answered. */
export function NodePanel({
  node,
  origins,
}: {
  readonly node: Node | undefined;
  readonly origins: readonly Origin[];
}): VNode {
  return (
    <section class="panel node-panel" aria-labelledby="node-title">
      <h2>
        <span id="node-title">This node</span>{' '}
        <span class="aside number">{node === undefined ? '' : `up ${formatAge(node.uptimeSeconds * 1000)}`}</span>
      </h2>
      <div class="scroll" tabIndex={0} role="group" aria-labelledby="node-title">
        {node === undefined ? null : <Disk disk={node.disk} />}
        <ul class="links">
          {node?.orchestrators.map(({ url, registered, lastHeartbeatAt, problem }) => (
            <li key={url} class={problem === undefined ? '' : 'bad'} title={problem?.message}>
              <span class="kind">orchestrator</span>
              <span class="url">{url}</span>
              <span class="number">{linkText(registered, lastHeartbeatAt)}</span>
            </li>
          ))}
          {origins.map(({ url, reachable, models, problem }) => (
            <li key={url} class={reachable ? '' : 'bad'} title={problem?.message}>
              <span class="kind">origin</span>
              <span class="url">{url}</span>
              <span class="number">{reachable ? `${models} models` : 'no answer'}</span>
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function linkText(registered: boolean, lastHeartbeatAt: string | undefined): string {
  const age =
    lastHeartbeatAt === undefined ? undefined : formatAge(Math.max(0, Date.now() - Date.parse(lastHeartbeatAt)));
  if (registered && age !== undefined) return age === 'now' ? 'heartbeat now' : `heartbeat ${age} ago`;
  return age === undefined ? 'not registered' : `silent for ${age}`;
}

function Disk({ disk }: { readonly disk: Node['disk'] }): VNode {
  const { totalBytes, freeBytes, usedByModelsBytes, reservedBytes, cacheMaxBytes } = disk;
  const share = (bytes: number): number => (totalBytes === 0 ? 0 : bytes / totalBytes);
  const other = Math.max(0, totalBytes - freeBytes - usedByModelsBytes);
  const text = `models ${formatBytes(usedByModelsBytes)}, other ${formatBytes(other)}, free ${formatBytes(freeBytes)} of ${formatBytes(totalBytes)}`;
  return (
    <div class="disk" title={disk.modelsDir}>
      <Bar
        label="Disk of this node"
        meter={{ share: Math.min(1, share(totalBytes - freeBytes)), text }}
        parts={[
          { kind: 'models', share: share(usedByModelsBytes) },
          { kind: 'other', share: share(other) },
          { kind: 'reserved', share: share(reservedBytes) },
        ]}
      />
      <div class="line quiet number">
        <span class="key models">{formatBytes(usedByModelsBytes)} models</span>
        <span class="key other">{formatBytes(other)} other</span>
        <span>
          {formatBytes(freeBytes)} free
          {cacheMaxBytes === undefined ? '' : `, at most ${formatBytes(cacheMaxBytes)} for models`}
        </span>
      </div>
    </div>
  );
}
