import type { Model, Transfer } from '../api/schemas.ts';
import { formatBytes } from '../util/bytes.ts';
import { percent } from './commands/list.ts';
import { type Column, formatTable } from './table.ts';

/** What is read of `GET /v2/catalog/availability`. */
export interface Availability {
  readonly nodes: Readonly<
    Record<string, { readonly node_id: string; readonly address: string; readonly online: boolean }>
  >;
  readonly replicated_models: readonly string[];
  readonly single_node_models: readonly string[];
}

export interface FleetFacts {
  readonly availability: Availability;
  readonly models: readonly Model[];
  /** Of the node that was asked. */
  readonly transfers: readonly Transfer[];
  readonly self: string;
}

const HERE = '●';
const ABSENT = '·';
const GAP = 2;
const NARROWEST_NAME = 24;

/** Models as lines, nodes as columns; where these do not fit, how many and which nodes. */
export function matrixLines(facts: FleetFacts, width: number): string[] {
  const { availability, models } = facts;
  const nodes = Object.values(availability.nodes);
  const needed = nodes.reduce((sum, node) => sum + titleOf(node).length + GAP, NARROWEST_NAME + GAP + 10);
  if (needed > width) return namedLines(facts, width);
  const columns: Column[] = [
    { title: 'MODEL', shrinks: true },
    { title: 'SIZE', align: 'right' },
    ...nodes.map((node) => ({ title: titleOf(node) })),
  ];
  const rows = models.map((model) => [
    model.id,
    formatBytes(model.sizeBytes),
    ...nodes.map(({ node_id: id }) => cellOf(facts, model, id)),
  ]);
  return formatTable(columns, rows, width);
}

/** Models that one node alone has, each with what mends it. */
export function singleNodeLines({ availability, models }: FleetFacts, limit = 20): string[] {
  const alone = singleNodeModels(availability, models);
  if (alone.length === 0) return [];
  const lines = [`On one node only (when it goes, so does the model): ${alone.length}`];
  for (const { id, nodes } of alone.slice(0, limit)) {
    const other = Object.values(availability.nodes).find(
      ({ node_id: node, online, address }) => online && !nodes.includes(node) && address !== '',
    );
    const mend = other === undefined ? 'start another node' : `shoal get ${quoted(id)} --api ${other.address}`;
    lines.push(`  ${id} (${nodes.join(', ')}): ${mend}`);
  }
  if (alone.length > limit) lines.push(`  … and ${alone.length - limit} more, with --json`);
  return lines;
}

/** By id: the availability counts every alias as well. */
export function singleNodeModels(availability: Availability, models: readonly Model[]): Model[] {
  const single = new Set(availability.single_node_models);
  return models.filter(({ id }) => single.has(id));
}

function namedLines(facts: FleetFacts, width: number): string[] {
  const { availability, models } = facts;
  const online = Object.values(availability.nodes).filter((node) => node.online);
  const columns = [
    { title: 'MODEL', shrinks: true },
    { title: 'SIZE', align: 'right' },
    { title: 'ON', align: 'right' },
    { title: 'NODES', shrinks: true },
  ] as const;
  const rows = models.map((model) => [
    model.id,
    formatBytes(model.sizeBytes),
    `${online.filter(({ node_id: id }) => model.nodes.includes(id)).length}/${online.length}`,
    model.nodes.join(', '),
  ]);
  return formatTable(columns, rows, width);
}

/** Only of itself the node tells more than that it has the model. */
function cellOf({ self, transfers }: FleetFacts, model: Model, node: string): string {
  if (model.nodes.includes(node)) return HERE;
  if (node !== self || model.state === 'missing' || model.state === 'installed') return ABSENT;
  const transfer = transfers.find((one) => one.model === model.id);
  if (model.state === 'fetching' && transfer !== undefined) return percent(transfer.bytesDone, transfer.bytesTotal);
  return model.state;
}

function titleOf({ node_id: id, online }: { readonly node_id: string; readonly online: boolean }): string {
  return online ? id : `${id} (offline)`;
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
