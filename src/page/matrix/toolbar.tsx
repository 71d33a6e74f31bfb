import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { plural } from '../format.ts';
import type { FleetFilter, FleetSelection, StateFilter } from '../state/fleet-filter.ts';
import type { FleetTable } from '../state/fleet-table.ts';

interface ToolbarProps {
  readonly table: FleetTable | undefined;
  readonly filter: FleetFilter;
  readonly selection: FleetSelection;
  readonly onFilter: (change: Partial<FleetFilter>) => void;
}

const STATES: readonly (readonly [StateFilter, string])[] = [
  ['all', 'All models'],
  ['installed', 'Installed'],
  ['incoming', 'Incoming'],
  ['missing', 'Missing somewhere'],
  ['single', 'On one node only'],
  ['damaged', 'Corrupt or different'],
];

const LEGEND = [
  ['installed', 'installed'],
  ['fetching', 'incoming'],
  ['queued', 'waiting'],
  ['absent', 'missing'],
  ['corrupt', 'corrupt'],
  ['differs', 'other content'],
] as const;

export function Toolbar({ table, filter, selection, onFilter }: ToolbarProps): VNode {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const { target } = event;
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || target instanceof HTMLInputElement)
        return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  return (
    <div class="toolbar">
      <h2 id="fleet-title">Fleet</h2>
      <label class="search">
        <span class="hidden">Search models and nodes</span>
        <input
          ref={input}
          type="search"
          value={filter.query}
          placeholder="Model or node"
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => onFilter({ query: event.currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key === 'Escape') onFilter({ query: '' });
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <label class="select">
        <span class="hidden">State</span>
        <select
          value={filter.state}
          onChange={(event) => onFilter({ state: event.currentTarget.value as StateFilter })}
        >
          {STATES.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <output class="found">
        {table === undefined
          ? ''
          : `${plural(selection.models.length, 'model')} × ${plural(selection.nodes.length, 'node')}`}
      </output>
      <ul class="legend" aria-label="Legend">
        {LEGEND.map(([state, label]) => (
          <li key={state}>
            <span class={`cell ${state}`} aria-hidden="true" />
            {label}
          </li>
        ))}
      </ul>
    </div>
  );
}
