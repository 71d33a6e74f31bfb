import type { VNode } from 'preact';
import { formatAge, formatBytes } from '../format.ts';
import type { FleetFilter, SortKey } from '../state/fleet-filter.ts';
import type { FleetTable } from '../state/fleet-table.ts';
import type { Span } from '../state/span.ts';
import type { MatrixLayout } from './layout.ts';
import { FIRST_NODE_COLUMN, fixedWidth, tabIndexOf } from './matrix-row.tsx';
import { px } from './px.ts';

interface MatrixHeadProps {
  readonly table: FleetTable;
  readonly layout: MatrixLayout;
  readonly columns: Span;
  readonly nodes: readonly number[];
  readonly activeColumn: number | undefined;
  readonly filter: FleetFilter;
}

export const HEAD_ROW = -1;

const TITLES: readonly (readonly [SortKey, string, string])[] = [
  ['model', 'Model', 'name'],
  ['size', 'Size', 'number size'],
  ['copies', 'Copies', 'number copies'],
];

export function MatrixHead({ table, layout, columns, nodes, activeColumn, filter }: MatrixHeadProps): VNode {
  const shown = Array.from({ length: columns.end - columns.start }, (_, index) => columns.start + index);
  const activeNode = (activeColumn ?? 0) - FIRST_NODE_COLUMN;
  if (activeNode >= 0 && !shown.includes(activeNode)) shown.push(activeNode);
  return (
    <div
      role="row"
      class={layout.upright ? 'head upright' : 'head'}
      aria-rowindex={1}
      data-row={HEAD_ROW}
      style={{ height: px(layout.headHeight) }}
    >
      {TITLES.map(([key, label, extra], column) =>
        key === 'size' && layout.sizeWidth === 0 ? null : (
          <div
            key={key}
            role="columnheader"
            aria-colindex={column + 1}
            aria-sort={filter.sort !== key ? 'none' : filter.descending ? 'descending' : 'ascending'}
            tabIndex={tabIndexOf(column, activeColumn)}
            class={`title ${extra}`}
          >
            {label}
            <span class="arrow" aria-hidden="true">
              {filter.sort !== key ? '' : filter.descending ? '▾' : '▴'}
            </span>
          </div>
        ),
      )}
      {shown.map((column) => {
        const node = table.nodes[nodes[column] ?? -1];
        if (node === undefined) return null;
        const isSelf = nodes[column] === table.self;
        const free = node.freeBytes === undefined ? '' : `, ${formatBytes(node.freeBytes)} free`;
        const seen = node.seenMsAgo === undefined ? '' : `, seen ${formatAge(node.seenMsAgo)} ago`;
        return (
          <div
            key={column}
            role="columnheader"
            aria-colindex={column + FIRST_NODE_COLUMN + 1}
            tabIndex={tabIndexOf(column + FIRST_NODE_COLUMN, activeColumn)}
            class={`node ${node.status}${isSelf ? ' self' : ''}`}
            style={{ left: px(fixedWidth(layout) + column * layout.cellWidth) }}
            title={`${node.id}: ${node.status}${isSelf ? ', this node' : seen}${free}`}
            aria-label={`${node.id}, ${node.status}${isSelf ? ', this node' : ''}`}
          >
            <span class="label">{node.id}</span>
          </div>
        );
      })}
    </div>
  );
}
