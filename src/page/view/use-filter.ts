import { useMemo, useState } from 'preact/hooks';
import { type FleetFilter, type FleetSelection, select } from '../state/fleet-filter.ts';
import type { FleetTable } from '../state/fleet-table.ts';

const everything: FleetFilter = { query: '', state: 'all', sort: 'model', descending: false };

export interface UsedFilter {
  readonly filter: FleetFilter;
  readonly setFilter: (change: Partial<FleetFilter>) => void;
  readonly selection: FleetSelection;
}

/** What is looked for, and what that finds; kept the same object where nothing has changed, so that no row is drawn anew. */
export function useFilter(table: FleetTable | undefined): UsedFilter {
  const [filter, setWhole] = useState(everything);
  const selection = useMemo(
    () => (table === undefined ? { models: [], nodes: [] } : select(table, filter)),
    [table, filter],
  );
  return { filter, setFilter: (change) => setWhole((before) => ({ ...before, ...change })), selection };
}
