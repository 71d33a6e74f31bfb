import type { VNode } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { PieceMap } from '../../api/fleet-schemas.ts';
import { formatBytes, plural } from '../format.ts';
import { decodeBits, hasBit } from '../state/fleet-table.ts';
import { cellsOf, gridFor } from './piece-grid.ts';

const HEIGHT_PX = 40;

/** One cell per piece, or for a few of them: here, offered by somebody, or with nobody who is reachable. */
export function PieceMapView({ map }: { readonly map: PieceMap }): VNode {
  const ref = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const canvas = ref.current;
    if (canvas !== null) draw(canvas, map);
  }, [map]);
  const { pieceCount, piecesHere, pieceSizeBytes, path } = map;
  const nowhere = pieceCount - piecesHere - offeredMissing(map);
  const label = [
    `${path}: ${piecesHere} of ${plural(pieceCount, 'piece')} of ${formatBytes(pieceSizeBytes)} here`,
    ...(nowhere > 0 ? [`${nowhere} with nobody`] : []),
  ].join(', ');
  return (
    <figure class="pieces">
      <canvas ref={ref} role="img" aria-label={label} style={{ height: `${HEIGHT_PX}px` }} />
      <figcaption>
        {/* How many of them are here the bar above tells, from a moment later: two numbers would contradict each other. */}
        <span class="number">{plural(pieceCount, 'piece')}</span> of {formatBytes(pieceSizeBytes)}
        {nowhere > 0 ? <span class="bad">, {nowhere} with nobody</span> : null}
      </figcaption>
    </figure>
  );
}

function offeredMissing(map: PieceMap): number {
  const here = decodeBits(map.here);
  const offered = decodeBits(map.offered);
  let count = 0;
  for (let index = 0; index < map.pieceCount; index += 1) {
    if (!hasBit(here, index) && hasBit(offered, index)) count += 1;
  }
  return count;
}

function draw(canvas: HTMLCanvasElement, map: PieceMap): void {
  const context = canvas.getContext('2d');
  const width = canvas.clientWidth;
  if (context === null || width === 0) return;
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(HEIGHT_PX * scale);
  context.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(name);
  const { columns, cellPx, gapPx, perCell } = gridFor(map.pieceCount, width, HEIGHT_PX);
  for (const [index, { here, offered }] of cellsOf(map, perCell).entries()) {
    const x = (index % columns) * cellPx;
    const y = Math.floor(index / columns) * cellPx;
    const size = cellPx - gapPx;
    context.fillStyle = offered ? colour('--piece-offered') : colour('--piece-nowhere');
    context.fillRect(x, y, size, size);
    if (here === 0) continue;
    context.globalAlpha = 0.25 + 0.75 * here;
    context.fillStyle = colour('--piece-here');
    context.fillRect(x, y, size, size);
    context.globalAlpha = 1;
  }
}
