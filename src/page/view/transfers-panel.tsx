import type { VNode } from 'preact';
import type { PieceMap } from '../../api/fleet-schemas.ts';
import type { Transfer } from '../../api/schemas.ts';
import { formatBytes, formatLeft, formatPercent, formatRate } from '../format.ts';
import { type FleetTable, shareOf } from '../state/fleet-table.ts';
import type { PageState } from '../state/page-state.ts';
import { isActive } from '../state/transfers.ts';
import { Bar } from './bar.tsx';
import { PieceMapView } from './piece-map.tsx';

/** More are counted. */
const SHOWN = 40;
const MAPS_PER_TRANSFER = 3;
const ENDED_SHOWN = 8;

export function TransfersPanel({ transfers, pieces, table }: PageState): VNode {
  const active = transfers.filter(isActive);
  const ended = transfers.filter((transfer) => !isActive(transfer)).slice(0, ENDED_SHOWN);
  const elsewhere = table?.kind === 'orchestrator' ? incomingOf(table) : [];
  const rate = active.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0);
  const hidden = Math.max(0, active.length - SHOWN) + Math.max(0, elsewhere.length - SHOWN);
  const isEmpty = active.length + ended.length + elsewhere.length === 0;
  return (
    <section class="panel transfers" aria-labelledby="transfers-title">
      <h2>
        <span id="transfers-title">Transfers</span>{' '}
        <span class="aside number">{elsewhere.length > 0 ? elsewhere.length : rate < 1 ? '' : formatRate(rate)}</span>
      </h2>
      <div class="scroll" tabIndex={0} role="group" aria-labelledby="transfers-title">
        {isEmpty ? <p class="nothing">Nothing is on its way.</p> : null}
        <ul>
          {active.slice(0, SHOWN).map((transfer) => (
            <TransferItem key={transfer.model} transfer={transfer} maps={pieces.get(transfer.model) ?? []} />
          ))}
          {elsewhere.slice(0, SHOWN).map((incoming, index) => (
            // By place: they are all alike, and so none of them moves when another ends.
            <IncomingItem key={index} {...incoming} />
          ))}
          {ended.map((transfer) => (
            <EndedItem key={transfer.model} transfer={transfer} />
          ))}
        </ul>
        {hidden > 0 ? <p class="quiet">and {hidden} more on their way</p> : null}
      </div>
    </section>
  );
}

function IncomingItem({ model, node, share, etaMs, bytesPerSecond }: Incoming): VNode {
  const percent = share === undefined ? '' : formatPercent(share);
  return (
    <li class="transfer">
      <div class="line">
        <span class="model" title={model}>
          {model}
        </span>
        <span class="where">→ {node}</span>
      </div>
      <Bar
        parts={[{ kind: 'done', share: share ?? 0 }]}
        progress={share}
        label={`${model} on ${node}: ${share === undefined ? 'progress unknown' : percent}`}
      />
      <div class="facts quiet number">
        <span>{percent}</span>
        <span>{bytesPerSecond === undefined || bytesPerSecond < 1 ? '' : formatRate(bytesPerSecond)}</span>
        <span>{etaMs === undefined ? '' : `${formatLeft(etaMs)} left`}</span>
      </div>
    </li>
  );
}

function TransferItem({ transfer, maps }: { readonly transfer: Transfer; readonly maps: readonly PieceMap[] }): VNode {
  const { model, state, bytesDone, bytesTotal, bytesPerSecond, etaMs, sources, problem } = transfer;
  const share = bytesTotal === 0 ? 0 : bytesDone / bytesTotal;
  const giving = sources.filter((source) => source.state === 'active' || source.bytesPerSecond >= 1).length;
  const isStuck = state === 'stalled';
  return (
    <li class={`transfer ${state}`}>
      <div class="line">
        <span class="model" title={model}>
          {model}
        </span>
        <span class="number strong">{formatPercent(share)}</span>
      </div>
      <Bar parts={[{ kind: 'done', share }]} progress={share} label={`${model}: ${formatPercent(share)}`} />
      <div class="facts quiet number">
        <span>
          {formatBytes(bytesDone)} of {formatBytes(bytesTotal)}
        </span>
        <span>{state === 'fetching' ? formatRate(bytesPerSecond) : state}</span>
        <span>{etaMs === undefined ? '' : `${formatLeft(etaMs)} left`}</span>
        <span>{giving === 1 ? '1 source' : `${giving} sources`}</span>
      </div>
      {isStuck && problem !== undefined ? <p class="bad">{problem.message}</p> : null}
      {maps.slice(0, MAPS_PER_TRANSFER).map((map) => (
        <PieceMapView key={map.sha256} map={map} />
      ))}
      {maps.length > MAPS_PER_TRANSFER ? <p class="quiet">{maps.length - MAPS_PER_TRANSFER} more files</p> : null}
    </li>
  );
}

function EndedItem({ transfer }: { readonly transfer: Transfer }): VNode {
  const { model, state, bytesTotal, seconds, problem } = transfer;
  return (
    <li class={`transfer ended ${state}`}>
      <div class="line">
        <span class="model" title={model}>
          {model}
        </span>
        <span class={state === 'failed' ? 'bad' : 'good'}>{state}</span>
      </div>
      <div class="facts quiet number">
        {problem === undefined ? (
          <>
            <span>{formatBytes(bytesTotal)}</span>
            <span>{seconds > 0 ? `${formatRate(bytesTotal / seconds)} over ${formatLeft(seconds * 1000)}` : ''}</span>
          </>
        ) : (
          <span>{problem.message}</span>
        )}
      </div>
    </li>
  );
}

interface Incoming {
  readonly model: string;
  readonly node: string;
  readonly share: number | undefined;
  readonly etaMs: number | undefined;
  readonly bytesPerSecond: number | undefined;
}

/** What the nodes fetch. */
function incomingOf(table: FleetTable): Incoming[] {
  const incoming: Incoming[] = [];
  for (const [index, { id }] of table.nodes.entries()) {
    if (index === table.self) continue;
    for (const cell of table.cellsOf(index)) {
      const model = table.models[cell.model]?.id;
      if (cell.state !== 'fetching' || model === undefined) continue;
      const { etaMs, bytesPerSecond } = cell;
      incoming.push({ model, node: id, share: shareOf(cell), etaMs, bytesPerSecond });
    }
  }
  return incoming;
}
