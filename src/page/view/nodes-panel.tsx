import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import { formatAge } from '../format.ts';
import type { FleetTable } from '../state/fleet-table.ts';
import type { PageState } from '../state/page-state.ts';
import { DiskCell } from './disk-cell.tsx';

/** Heartbeats come every 10 s; who misses one is worth a look. */
const LATE_MS = 15_000;

/** The nodes as the orchestrator sees them. */
export function NodesPanel({ table }: PageState & { readonly table: FleetTable }): VNode {
  const order = useMemo(
    () =>
      [...table.nodes.keys()].sort(
        (a, b) => rank(table, a) - rank(table, b) || (table.nodes[a]?.id ?? '').localeCompare(table.nodes[b]?.id ?? ''),
      ),
    [table],
  );
  return (
    <section class="panel nodes" aria-labelledby="nodes-title">
      <h2>
        <span id="nodes-title">Nodes</span> <span class="aside number">{table.nodes.length}</span>
      </h2>
      <div class="scroll" tabIndex={0} role="group" aria-labelledby="nodes-title">
        {order.length === 0 ? <p class="nothing">No node has registered yet.</p> : null}
        <table>
          <colgroup>
            <col />
            <col class="status" />
            <col class="slots" />
            <col class="disk-cell" />
            <col class="age" />
          </colgroup>
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                Slots free
              </th>
              <th scope="col" class="number disk-cell">
                Disk free
              </th>
              <th scope="col" class="number">
                Heartbeat
              </th>
            </tr>
          </thead>
          <tbody>
            {order.map((index) => {
              const node = table.nodes[index];
              if (node === undefined) return null;
              const { id, status, seenMsAgo, slotsFree, slotsTotal, freeBytes, totalBytes, address } = node;
              const isLate = seenMsAgo !== undefined && seenMsAgo > LATE_MS;
              return (
                <tr key={id} class={status}>
                  <th scope="row" title={address}>
                    {id}
                  </th>
                  <td>
                    <span class={`badge ${status}`}>{status}</span>
                  </td>
                  <td class="number">{slotsTotal === undefined ? '–' : `${slotsFree ?? 0}/${slotsTotal}`}</td>
                  <DiskCell name={id} freeBytes={freeBytes} totalBytes={totalBytes} />
                  <td class={`number ${isLate ? 'bad' : ''}`}>
                    {seenMsAgo === undefined ? '–' : formatAge(seenMsAgo)}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Those in trouble first. */
function rank(table: FleetTable, index: number): number {
  return ['failed', 'offline', 'draining', 'registering', 'online'].indexOf(table.nodes[index]?.status ?? 'online');
}
