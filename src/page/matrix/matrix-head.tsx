import type { CSSProperties, VNode } from 'preact';
import { formatAge } from '../format.ts';
import type { FleetFilter, SortKey } from '../state/fleet-filter.ts';
import type { FleetTable } from '../state/fleet-table.ts';
import type { MatrixLayout } from './layout.ts';
import { FIRST_NODE_COLUMN, focusable } from './matrix-row.tsx';
import { px } from './px.ts';

interface MatrixHeadProps {
  readonly table: FleetTable;
  readonly layout: MatrixLayout;
  readonly width: number;
  readonly columns: readonly number[];
  readonly nodes: readonly number[];
  readonly activeColumn: number | undefined;
  readonly filter: FleetFilter;
  readonly onSort: (key: SortKey) => void;
}

export const HEAD_ROW = -1;

export function MatrixHead(props: MatrixHeadProps): VNode {
  const { table, layout, width, columns, nodes, activeColumn, filter, onSort } = props;
  const { nameWidth, sizeWidth, copiesWidth, cellWidth, headHeight, upright } = layout;
  const sortable = (key: SortKey, label: string, column: number, style: CSSProperties, extra: string): VNode => (
    <div
      role="columnheader"
      aria-colindex={column + 1}
      aria-sort={filter.sort !== key ? 'none' : filter.descending ? 'descending' : 'ascending'}
      {...focusable(HEAD_ROW, column, activeColumn)}
      class={`title ${extra}`}
      style={style}
      onClick={() => onSort(key)}
    >
      {label}
      <span class="arrow" aria-hidden="true">
        {filter.sort !== key ? '' : filter.descending ? '▾' : '▴'}
      </span>
    </div>
  );
  return (
    <div
      role="row"
      class={`head ${upright ? 'upright' : ''}`}
      aria-rowindex={1}
      style={{ height: px(headHeight), width: px(width) }}
    >
      {sortable('model', 'Model', 0, { width: px(nameWidth) }, 'name')}
      {sizeWidth === 0
        ? null
        : sortable('size', 'Size', 1, { width: px(sizeWidth), left: px(nameWidth) }, 'number fixed')}
      {sortable(
        'copies',
        'Copies',
        2,
        { width: px(copiesWidth), left: px(nameWidth + sizeWidth) },
        'number fixed edge',
      )}
      {columns.map((column) => {
        const node = table.nodes[nodes[column] ?? -1];
        if (node === undefined) return null;
        const isSelf = nodes[column] === table.self;
        const seen = node.seenMsAgo === undefined ? '' : `, seen ${formatAge(node.seenMsAgo)} ago`;
        return (
          <div
            key={column}
            role="columnheader"
            aria-colindex={column + FIRST_NODE_COLUMN + 1}
            {...focusable(HEAD_ROW, column + FIRST_NODE_COLUMN, activeColumn)}
            class={`node ${node.status} ${isSelf ? 'self' : ''}`}
            style={{ left: px(nameWidth + sizeWidth + copiesWidth + column * cellWidth), width: px(cellWidth) }}
            title={`${node.id}: ${node.status}${isSelf ? ', this node' : seen}`}
            aria-label={`${node.id}, ${node.status}${isSelf ? ', this node' : ''}`}
          >
            <span class="label">{node.id}</span>
          </div>
        );
      })}
    </div>
  );
}
