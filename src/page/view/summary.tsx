import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Node } from '../../api/schemas.ts';
import type { FleetFilter, StateFilter } from '../state/fleet-filter.ts';
import { type FleetTable, totalsOf } from '../state/fleet-table.ts';

interface SummaryProps {
  readonly table: FleetTable | undefined;
  readonly node: Node | undefined;
  readonly filter: FleetFilter;
  readonly onFilter: (change: Partial<FleetFilter>) => void;
}

interface Tile {
  readonly label: string;
  readonly value: number | undefined;
  readonly of?: number | undefined;
  readonly tone?: 'good' | 'busy' | 'warn' | 'bad';
  /** What a click on it shows. */
  readonly shows?: StateFilter;
}

/** The fleet in numbers; those that name a group of models show it when clicked. */
export function Summary({ table, filter, onFilter }: SummaryProps): VNode {
  const totals = useMemo(() => (table === undefined ? undefined : totalsOf(table)), [table]);
  const isWhole = totals?.nodesOnline === totals?.nodes;
  const tiles: readonly Tile[] = [
    { label: 'nodes online', value: totals?.nodesOnline, of: totals?.nodes, ...(isWhole ? {} : { tone: 'warn' }) },
    { label: 'models', value: totals?.models, shows: 'all' },
    { label: 'copies', value: totals?.copies, shows: 'installed' },
    { label: 'incoming', value: totals?.incoming, shows: 'incoming', ...toned(totals?.incoming, 'busy') },
    { label: 'on one node only', value: totals?.single, shows: 'single', ...toned(totals?.single, 'warn') },
    { label: 'corrupt or different', value: totals?.damaged, shows: 'damaged', ...toned(totals?.damaged, 'bad') },
  ];
  return (
    <ul class="summary" aria-label="The fleet in numbers">
      {tiles.map((tile) => (
        <li key={tile.label}>
          {tile.shows === undefined ? (
            <div class={`tile ${tile.tone ?? ''}`}>{contentOf(tile)}</div>
          ) : (
            <button
              type="button"
              class={`tile ${tile.tone ?? ''}`}
              aria-pressed={filter.state === tile.shows}
              onClick={() => onFilter({ state: tile.shows ?? 'all' })}
            >
              {contentOf(tile)}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

function toned(value: number | undefined, tone: 'busy' | 'warn' | 'bad'): { tone?: 'busy' | 'warn' | 'bad' } {
  return value === undefined || value === 0 ? {} : { tone };
}

function contentOf({ label, value, of }: Tile): VNode {
  return (
    <>
      <span class="value">
        {value?.toLocaleString('en') ?? '–'}
        {of === undefined ? null : <span class="of">/{of.toLocaleString('en')}</span>}
      </span>{' '}
      <span class="label">{label}</span>
    </>
  );
}
