import type { VNode } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { FleetFilter, FleetSelection } from '../state/fleet-filter.ts';
import type { FleetTable } from '../state/fleet-table.ts';
import { type GridPlace, placeAfter } from './grid-keys.ts';
import { layoutFor } from './layout.ts';
import { HEAD_ROW, MatrixHead } from './matrix-head.tsx';
import { FIRST_NODE_COLUMN, fixedWidth, MatrixRow } from './matrix-row.tsx';
import { px } from './px.ts';
import { Toolbar } from './toolbar.tsx';
import { useViewport } from './use-viewport.ts';

/** A model, and a node when a cell was chosen; indices into the table. */
export interface Place {
  readonly model: string;
  readonly node: string | undefined;
}

interface MatrixProps {
  readonly table: FleetTable | undefined;
  readonly filter: FleetFilter;
  readonly selection: FleetSelection;
  readonly place: Place | undefined;
  readonly onFilter: (change: Partial<FleetFilter>) => void;
  readonly onPlace: (place: Place) => void;
}

const ROW_STEP = 4;
const COLUMN_STEP = 2;
const NONE = { start: 0, end: 0 };

/** Nodes × models as a grid of which only what is seen exists. */
export function Matrix(props: MatrixProps): VNode {
  return (
    <>
      <Toolbar {...props} />
      {props.table === undefined ? (
        <div class="grid empty" id="matrix" aria-busy="true" />
      ) : (
        <Grid {...props} table={props.table} />
      )}
    </>
  );
}

function Grid(props: MatrixProps & { readonly table: FleetTable }): VNode {
  const { table, filter, selection, place, onFilter, onPlace } = props;
  const { models, nodes } = selection;
  const ref = useRef<HTMLDivElement>(null);
  const focusWanted = useRef(false);
  const [active, setActive] = useState<GridPlace>({ row: 0, column: 0 });
  const names = useMemo(
    () => ({
      count: nodes.length,
      longestName: nodes.reduce((longest, node) => Math.max(longest, table.nodeTexts[node]?.length ?? 0), 0),
    }),
    [nodes, table.nodeTexts],
  );
  const { width, height, spans } = useViewport(ref, {
    layout: (at) => layoutFor(at, names),
    ...{ rows: models.length, columns: nodes.length, rowStep: ROW_STEP, columnStep: COLUMN_STEP },
  });
  const layout = useMemo(() => layoutFor(width, names), [width, names]);
  const here = {
    row: Math.min(active.row, models.length - 1),
    column: Math.min(active.column, nodes.length + FIRST_NODE_COLUMN - 1),
  };
  const rows = width === 0 ? [] : withOne(spans.rows, here.row, models.length);
  // Rows that leave the view at one end come in again at the other: to fill elements anew is cheaper than to make them.
  const slots = Math.max(1, spans.rows.end - spans.rows.start);
  const totalWidth = fixedWidth(layout) + nodes.length * layout.cellWidth;

  useLayoutEffect(() => {
    if (!focusWanted.current) return;
    focusWanted.current = false;
    find(ref.current, here)?.focus({ preventScroll: true });
  });

  const move = (to: GridPlace): void => {
    scrollTo(ref.current, to, layout);
    focusWanted.current = true;
    setActive(to);
  };
  const choose = ({ row, column }: GridPlace): void => {
    const model = table.models[models[row] ?? -1];
    if (row === HEAD_ROW) sortBy(column);
    else if (model !== undefined)
      onPlace({ model: model.id, node: table.nodes[nodes[column - FIRST_NODE_COLUMN] ?? -1]?.id });
  };
  const sortBy = (column: number): void => {
    const key = (['model', 'size', 'copies'] as const)[column];
    if (key === undefined) return;
    onFilter(filter.sort === key ? { descending: !filter.descending } : { sort: key, descending: key !== 'model' });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.metaKey) return;
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      choose(here);
      return;
    }
    const to = placeAfter(event.key, event.ctrlKey, here, {
      rows: models.length,
      columns: nodes.length + FIRST_NODE_COLUMN,
      pageRows: Math.max(1, Math.floor((height - layout.headHeight) / layout.rowHeight) - 1),
      hidden: layout.sizeWidth === 0 ? [1] : [],
    });
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  };
  const onClick = (event: MouseEvent): void => {
    const cell = (event.target as HTMLElement).closest<HTMLElement>('[aria-colindex]');
    const row = cell?.closest<HTMLElement>('[data-row]')?.dataset['row'];
    if (cell === null || row === undefined) return;
    const to = { row: Number(row), column: Number(cell.ariaColIndex) - 1 };
    focusWanted.current = true;
    setActive(to);
    choose(to);
  };

  return (
    <div
      ref={ref}
      id="matrix"
      class="grid"
      role="grid"
      aria-label="Models by node"
      aria-rowcount={models.length + 1}
      aria-colcount={nodes.length + FIRST_NODE_COLUMN}
      style={{
        '--cell': px(layout.cellWidth),
        '--name': px(layout.nameWidth),
        '--size': px(layout.sizeWidth),
        '--copies': px(layout.copiesWidth),
        '--total': px(totalWidth),
      }}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      <MatrixHead
        {...{ table, layout, nodes, filter }}
        columns={width === 0 ? NONE : spans.columns}
        activeColumn={here.row === HEAD_ROW ? here.column : undefined}
      />
      <div role="rowgroup" class="body" style={{ height: px(models.length * layout.rowHeight) }}>
        {rows.map((row) => {
          const model = models[row];
          if (model === undefined) return null;
          const isChosen = place !== undefined && table.models[model]?.id === place.model;
          const chosen = isChosen ? nodes.findIndex((node) => table.nodes[node]?.id === place.node) : undefined;
          return (
            <MatrixRow
              key={row === here.row ? 'active' : row % slots}
              {...{ table, layout, row, model, nodes }}
              from={spans.columns.start}
              to={spans.columns.end}
              activeColumn={row === here.row ? here.column : undefined}
              chosenColumn={chosen === undefined ? undefined : chosen + FIRST_NODE_COLUMN}
            />
          );
        })}
      </div>
      {models.length === 0 ? <p class="nothing">{nothingText(table)}</p> : null}
    </div>
  );
}

function nothingText(table: FleetTable): string {
  if (table.models.length > 0) return 'No model fits the search.';
  if (table.kind === 'orchestrator') return 'No node has reported a model yet.';
  return 'No models yet: put a file into the models directory, or add an origin.';
}

/** The row that has the focus exists even while it is scrolled away, so that the focus is not lost. */
function withOne(span: { readonly start: number; readonly end: number }, one: number, count: number): number[] {
  const places = Array.from({ length: span.end - span.start }, (_, index) => span.start + index);
  if (one >= 0 && one < span.start) places.unshift(one);
  else if (one >= span.end && one < count) places.push(one);
  return places;
}

function find(grid: HTMLElement | null, { row, column }: GridPlace): HTMLElement | null {
  return grid?.querySelector<HTMLElement>(`[data-row="${row}"] > [aria-colindex="${column + 1}"]`) ?? null;
}

/** As little as is needed: the head and the first columns cover what lies under them. */
function scrollTo(grid: HTMLElement | null, { row, column }: GridPlace, layout: ReturnType<typeof layoutFor>): void {
  if (grid === null) return;
  const top = row * layout.rowHeight;
  const below = top + layout.rowHeight + layout.headHeight - grid.clientHeight;
  if (row >= 0 && top < grid.scrollTop) grid.scrollTop = top;
  else if (row >= 0 && below > grid.scrollTop) grid.scrollTop = below;
  if (column < FIRST_NODE_COLUMN) return;
  const fixed = fixedWidth(layout);
  const left = (column - FIRST_NODE_COLUMN) * layout.cellWidth;
  const right = left + layout.cellWidth + fixed - grid.clientWidth;
  if (left < grid.scrollLeft) grid.scrollLeft = left;
  else if (right > grid.scrollLeft) grid.scrollLeft = right;
}
