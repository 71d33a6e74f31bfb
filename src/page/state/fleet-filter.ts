import type { CellState, FleetTable } from './fleet-table.ts';

export type StateFilter = 'all' | 'installed' | 'incoming' | 'missing' | 'damaged' | 'single';
export type SortKey = 'model' | 'size' | 'copies';

export interface FleetFilter {
  readonly query: string;
  readonly state: StateFilter;
  readonly sort: SortKey;
  readonly descending: boolean;
}

/** What the matrix shows, as indices into the table. */
export interface FleetSelection {
  readonly models: readonly number[];
  readonly nodes: readonly number[];
}

/**
 * Words are looked for in models; a word that no model has, in nodes. `model:` and `node:` say which is meant. Rows are
 * then those with the state in one of the columns.
 */
export function select(table: FleetTable, filter: FleetFilter): FleetSelection {
  const words = parseQuery(filter.query, table);
  const nodes = [...table.nodes.keys()].filter((node) =>
    words.node.every((word) => table.nodeTexts[node]?.includes(word)),
  );
  const models = [...table.models.keys()].filter(
    (model) =>
      words.model.every((word) => table.modelTexts[model]?.includes(word)) &&
      hasState(table, { model, nodes, state: filter.state }),
  );
  return { models: sorted(table, models, filter), nodes };
}

function parseQuery(query: string, table: FleetTable): { model: string[]; node: string[] } {
  const words = { model: [] as string[], node: [] as string[] };
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const [, kind, rest = ''] = /^(model|node):(.*)$/.exec(word) ?? [];
    if (kind === 'model' || kind === 'node') words[kind].push(rest);
    else if (table.modelTexts.some((text) => text.includes(word))) words.model.push(word);
    else if (table.nodeTexts.some((text) => text.includes(word))) words.node.push(word);
    else words.model.push(word);
  }
  return words;
}

const STATES: Readonly<Record<'incoming' | 'damaged', readonly CellState[]>> = {
  incoming: ['fetching', 'queued'],
  damaged: ['corrupt', 'differs'],
};

function hasState(
  table: FleetTable,
  { model, nodes, state }: { model: number; nodes: readonly number[]; state: StateFilter },
): boolean {
  switch (state) {
    case 'all':
      return true;
    case 'single':
      return table.copies[model] === 1;
    case 'installed':
      return nodes.some((node) => table.isInstalled(node, model));
    case 'missing':
      return nodes.some((node) => !table.isInstalled(node, model));
    case 'incoming':
    case 'damaged':
      return nodes.some((node) => {
        const cell = table.cell(node, model);
        return cell !== undefined && STATES[state].includes(cell.state);
      });
  }
}

function sorted(table: FleetTable, models: number[], { sort, descending }: FleetFilter): readonly number[] {
  // The server sorts by id.
  if (sort === 'model') return descending ? models.reverse() : models;
  const value = (model: number): number =>
    sort === 'size' ? (table.models[model]?.sizeBytes ?? 0) : (table.copies[model] ?? 0);
  const sign = descending ? -1 : 1;
  return models.sort((a, b) => sign * (value(a) - value(b)) || a - b);
}
