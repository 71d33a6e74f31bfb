import { Component, type VNode } from 'preact';
import { formatBytes } from '../format.ts';
import { type FleetTable, shareOf } from '../state/fleet-table.ts';
import { cellText } from './cell-text.ts';
import type { MatrixLayout } from './layout.ts';
import { px } from './px.ts';

export interface MatrixRowProps {
  readonly table: FleetTable;
  readonly layout: MatrixLayout;
  /** Its place among the rows shown. */
  readonly row: number;
  readonly model: number;
  /** Places of the columns shown; the same array for as long as they are. */
  readonly columns: readonly number[];
  readonly nodes: readonly number[];
  /** The column that has the focus, if it is in this row: 0 is the name, from 3 on the nodes. */
  readonly activeColumn: number | undefined;
  readonly chosenColumn: number | undefined;
}

export const FIRST_NODE_COLUMN = 3;

/** Drawn anew only when what it shows has changed: hundreds of these pass by while one scrolls. */
export class MatrixRow extends Component<MatrixRowProps> {
  override shouldComponentUpdate(next: MatrixRowProps): boolean {
    const now = this.props;
    return (Object.keys(next) as (keyof MatrixRowProps)[]).some((key) => next[key] !== now[key]);
  }

  override render(): VNode {
    const { table, layout, row, model, columns, nodes, activeColumn, chosenColumn } = this.props;
    const { id = '', sizeBytes } = table.models[model] ?? {};
    const copies = table.copies[model] ?? 0;
    const slash = id.lastIndexOf('/') + 1;
    const { nameWidth, sizeWidth, copiesWidth, cellWidth, rowHeight } = layout;
    const isSingle = copies === 1 && table.nodes.length > 1;
    const nodesLeft = nameWidth + sizeWidth + copiesWidth;
    return (
      <div
        role="row"
        class={`row ${row % 2 === 0 ? '' : 'odd'}`}
        aria-rowindex={row + 2}
        style={{ top: px(row * rowHeight) }}
      >
        <div
          role="rowheader"
          aria-colindex={1}
          {...focusable(row, 0, activeColumn)}
          class="name"
          style={{ width: px(nameWidth) }}
          title={id}
        >
          {slash > 0 ? <span class="folder">{id.slice(0, slash)}</span> : null}
          <span class="file">{id.slice(slash)}</span>
        </div>
        {sizeWidth === 0 ? null : (
          <div
            role="gridcell"
            aria-colindex={2}
            {...focusable(row, 1, activeColumn)}
            class="number fixed"
            style={{ width: px(sizeWidth), left: px(nameWidth) }}
          >
            {sizeBytes === undefined ? '' : formatBytes(sizeBytes)}
          </div>
        )}
        <div
          role="gridcell"
          aria-colindex={3}
          {...focusable(row, 2, activeColumn)}
          class={`number fixed edge ${isSingle ? 'single' : ''}`}
          style={{ width: px(copiesWidth), left: px(nameWidth + sizeWidth) }}
          title={isSingle ? 'only one node has it' : undefined}
          aria-label={`${copies} of ${table.nodes.length}${isSingle ? ', only one' : ''}`}
        >
          {copies}
          <span class="of">/{table.nodes.length}</span>
        </div>
        {columns.map((column) => {
          const node = nodes[column];
          if (node === undefined) return null;
          const state = table.stateOf(node, model);
          const cell = table.cell(node, model);
          const place = column + FIRST_NODE_COLUMN;
          const share = state === 'fetching' ? shareOf(cell) : undefined;
          const isGone = table.nodes[node]?.status === 'offline' || table.nodes[node]?.status === 'failed';
          return (
            <div
              key={column}
              role="gridcell"
              aria-colindex={place + 1}
              {...focusable(row, place, activeColumn)}
              class={`cell ${state}${isGone ? ' gone' : ''}`}
              aria-label={cellText(state, cell)}
              aria-selected={chosenColumn === place}
              style={{
                left: px(nodesLeft + column * cellWidth),
                width: px(cellWidth),
                ...(share === undefined ? {} : { '--share': `${Math.round(share * 100)}%` }),
              }}
            >
              {share === undefined || layout.upright ? null : <span class="percent">{Math.floor(share * 100)}%</span>}
            </div>
          );
        })}
      </div>
    );
  }
}

/** One cell of the grid is in the tab order; arrow keys move from there. */
export function focusable(
  row: number,
  column: number,
  activeColumn: number | undefined,
): { tabIndex: number; 'data-row': number; 'data-column': number } {
  return { tabIndex: activeColumn === column ? 0 : -1, 'data-row': row, 'data-column': column };
}
