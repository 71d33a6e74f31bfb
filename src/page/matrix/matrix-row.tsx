import { Component, type VNode } from 'preact';
import { formatBytes } from '../format.ts';
import { type FleetTable, shareOf } from '../state/fleet-table.ts';
import type { Span } from '../state/span.ts';
import { cellText } from './cell-text.ts';
import type { MatrixLayout } from './layout.ts';
import { px } from './px.ts';

export interface MatrixRowProps {
  readonly table: FleetTable;
  readonly layout: MatrixLayout;
  /** Its place among the rows shown. */
  readonly row: number;
  readonly model: number;
  /** Indices of the nodes in the order of the columns. */
  readonly nodes: readonly number[];
  readonly from: Span['start'];
  readonly to: Span['end'];
  /** The column that has the focus, if it is in this row: 0 is the name, from 3 on the nodes. */
  readonly activeColumn: number | undefined;
  readonly chosenColumn: number | undefined;
}

export const FIRST_NODE_COLUMN = 3;

/** Drawn anew only when what it shows has changed: hundreds of these pass by while one scrolls, and every attribute counts. */
export class MatrixRow extends Component<MatrixRowProps> {
  override shouldComponentUpdate(next: MatrixRowProps): boolean {
    const now = this.props;
    return (Object.keys(next) as (keyof MatrixRowProps)[]).some((key) => next[key] !== now[key]);
  }

  override render(): VNode {
    const { table, layout, row, model, from, to, activeColumn } = this.props;
    const { id = '', sizeBytes } = table.models[model] ?? {};
    const copies = table.copies[model] ?? 0;
    const slash = id.lastIndexOf('/') + 1;
    const isSingle = copies === 1 && table.nodes.length > 1;
    const cells: (VNode | null)[] = [];
    for (let column = from; column < to; column += 1) cells.push(this.#cell(column, false));
    const activeNode = (activeColumn ?? 0) - FIRST_NODE_COLUMN;
    if (activeNode >= 0 && (activeNode < from || activeNode >= to)) cells.push(this.#cell(activeNode, true));
    // A row may be that of another model before. Its cells are filled anew, but text that became another would count as text
    // that has moved.
    return (
      <div
        role="row"
        class={row % 2 === 0 ? 'row' : 'row odd'}
        aria-rowindex={row + 2}
        data-row={row}
        style={{ transform: `translateY(${px(row * layout.rowHeight)})` }}
      >
        <div
          key={`name ${model}`}
          role="rowheader"
          aria-colindex={1}
          tabIndex={tabIndexOf(0, activeColumn)}
          class="name"
          title={id}
        >
          {slash > 0 ? <span class="folder">{id.slice(0, slash)}</span> : null}
          <span class="file">{id.slice(slash)}</span>
        </div>
        {layout.sizeWidth === 0 ? null : (
          <div
            key={`size ${model}`}
            role="gridcell"
            aria-colindex={2}
            tabIndex={tabIndexOf(1, activeColumn)}
            class="number size"
          >
            {sizeBytes === undefined ? '' : formatBytes(sizeBytes)}
          </div>
        )}
        <div
          key={`copies ${model}`}
          role="gridcell"
          aria-colindex={3}
          tabIndex={tabIndexOf(2, activeColumn)}
          class={isSingle ? 'number copies single' : 'number copies'}
          title={isSingle ? 'only one node has it' : `${copies} of ${table.nodes.length} nodes`}
        >
          {copies}
        </div>
        <span class="spacer" style={{ width: px(from * layout.cellWidth) }} />
        {cells}
      </div>
    );
  }

  /** @param isApart it is not among those in sight, but has the focus */
  #cell(column: number, isApart: boolean): VNode | null {
    const { table, layout, model, nodes, activeColumn, chosenColumn } = this.props;
    const node = nodes[column];
    if (node === undefined) return null;
    const state = table.stateOf(node, model);
    const cell = table.cell(node, model);
    const place = column + FIRST_NODE_COLUMN;
    const share = state === 'fetching' ? shareOf(cell) : undefined;
    const tellsShare = share !== undefined && !layout.upright;
    const style = {
      ...(share === undefined ? {} : { '--share': `${Math.round(share * 100)}%` }),
      ...(isApart ? { position: 'absolute', left: px(fixedWidth(layout) + column * layout.cellWidth) } : {}),
    };
    return (
      <div
        key={column}
        role="gridcell"
        aria-colindex={place + 1}
        tabIndex={tabIndexOf(place, activeColumn)}
        class={`cell ${state}${isGone(table, node) ? ' gone' : ''}${tellsShare ? ' told' : ''}`}
        aria-label={cellText(state, cell)}
        aria-selected={chosenColumn === place ? true : undefined}
        {...(share === undefined && !isApart ? {} : { style })}
      >
        {tellsShare ? <span class="percent">{Math.floor(share * 100)}%</span> : null}
      </div>
    );
  }
}

/** What stays in sight at the left. */
export function fixedWidth({ nameWidth, sizeWidth, copiesWidth }: MatrixLayout): number {
  return nameWidth + sizeWidth + copiesWidth;
}

/** One cell of the grid is in the tab order; arrow keys move from there, and only where they arrive is a cell to be focused. */
export function tabIndexOf(column: number, activeColumn: number | undefined): number | undefined {
  return activeColumn === column ? 0 : undefined;
}

function isGone(table: FleetTable, node: number): boolean {
  const status = table.nodes[node]?.status;
  return status === 'offline' || status === 'failed';
}
