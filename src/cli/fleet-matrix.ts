import type { FleetCellDocument, FleetNodeDocument } from '../orchestrator/fleet-documents.ts';
import { formatBytes } from '../util/bytes.ts';
import { shellWord } from '../util/shell-word.ts';
import { percent } from './commands/list.ts';
import { type FleetReport, isOnline } from './fleet-report.ts';
import { type Column, formatTable } from './table.ts';

const HERE = '●';
const GONE = '○';
const ABSENT = '·';
const GAP = 2;
const NARROWEST_NAME = 24;

/** Models as lines, nodes as columns; where these do not fit, how many and which nodes. */
export function matrixLines(report: FleetReport, models: readonly number[], width: number): string[] {
  const titles = report.nodes.map(titleOf);
  const needed = titles.reduce((sum, title) => sum + title.length + GAP, NARROWEST_NAME + GAP + 10);
  if (needed > width) return namedLines(report, models, width);
  const columns: Column[] = [
    { title: 'MODEL', shrinks: true },
    { title: 'SIZE', align: 'right' },
    ...titles.map((title) => ({ title })),
  ];
  const rows = models.map((model) => [
    ...nameAndSize(report, model),
    ...report.nodes.map((_, node) => cellText(report, node, model)),
  ]);
  return formatTable(columns, rows, width);
}

/** Models that one node alone has, each with what mends it. */
export function singleNodeLines(report: FleetReport, limit = 20): string[] {
  const alone = report.single();
  if (alone.length === 0) return [];
  const lines = [`On one node only (when it goes, so does the model): ${alone.length}`];
  for (const model of alone.slice(0, limit)) {
    const { id = '' } = report.models[model] ?? {};
    lines.push(`  ${id} (${report.holders(model)[0]?.id ?? ''}): ${mendText(report, model)}`);
  }
  if (alone.length > limit) lines.push(`  … and ${alone.length - limit} more, with --json`);
  return lines;
}

/** The command that brings a second copy, to where there is most room; or that one is on its way. */
function mendText(report: FleetReport, model: number): string {
  const { id = '', sizeBytes = 0 } = report.models[model] ?? {};
  const [coming] = report.inState(model, 'fetching', 'queued').filter(({ node }) => isOnline(node));
  if (coming !== undefined) return `on its way to ${coming.node.id} (${stateText(coming.cell)})`;
  const [other] = report.online
    .filter((node) => node.address !== undefined && node.address !== '')
    .filter((node) => !report.holders(model).includes(node) && (node.freeBytes ?? Infinity) > sizeBytes)
    .sort((a, b) => (b.freeBytes ?? 0) - (a.freeBytes ?? 0));
  return other === undefined
    ? 'no other node is there, or has room'
    : `shoal get ${shellWord(id)} --api ${shellWord(other.address ?? '')}`;
}

function namedLines(report: FleetReport, models: readonly number[], width: number): string[] {
  const online = report.online.length;
  const columns = [
    { title: 'MODEL', shrinks: true },
    { title: 'SIZE', align: 'right' },
    { title: 'ON', align: 'right' },
    { title: 'NODES', shrinks: true },
  ] as const;
  const rows = models.map((model) => {
    const holders = report.holders(model).map(({ id }) => id);
    const others = report
      .inState(model, 'fetching', 'queued', 'missing', 'corrupt', 'differs')
      .map(({ node, cell }) => `${node.id} ${stateText(cell)}`);
    return [...nameAndSize(report, model), `${holders.length}/${online}`, [...others, ...holders].join(', ')];
  });
  return formatTable(columns, rows, width);
}

function nameAndSize({ models }: FleetReport, model: number): [string, string] {
  const { id = '', sizeBytes } = models[model] ?? {};
  return [id, sizeBytes === undefined ? '' : formatBytes(sizeBytes)];
}

function cellText(report: FleetReport, node: number, model: number): string {
  const cell = report.cell(node, model);
  if (cell !== undefined) return stateText(cell);
  if (!report.hasIt(node, model)) return ABSENT;
  const { status } = report.nodes[node] ?? {};
  return status === 'offline' || status === 'failed' ? GONE : HERE;
}

function stateText({ state, bytesTotal, bytesMissing }: FleetCellDocument): string {
  switch (state) {
    case 'fetching':
      if (bytesTotal === undefined || bytesMissing === undefined) return 'incoming';
      return percent(bytesTotal - bytesMissing, bytesTotal);
    case 'differs':
      return 'other bytes';
    case 'missing':
      return 'wanted';
    case 'queued':
    case 'corrupt':
      return state;
  }
}

function titleOf({ id, status }: FleetNodeDocument): string {
  return status === 'online' ? id : `${id} (${status})`;
}
