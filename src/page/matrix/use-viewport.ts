import type { RefObject } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import { type Span, visibleSpan } from '../state/span.ts';
import type { MatrixLayout } from './layout.ts';
import { fixedWidth } from './matrix-row.tsx';

interface Box {
  readonly width: number;
  readonly height: number;
  readonly top: number;
  readonly left: number;
}

export interface Viewport {
  /** 0 before it has been measured: then nothing is drawn that would have to move. */
  readonly width: number;
  readonly height: number;
  readonly spans: { readonly rows: Span; readonly columns: Span };
}

interface ViewportOptions {
  readonly layout: (width: number) => MatrixLayout;
  readonly rows: number;
  readonly columns: number;
  readonly rowStep: number;
  readonly columnStep: number;
}

/** Which rows and columns are in sight. Scrolling draws anew only when that changes, once per frame. */
export function useViewport(ref: RefObject<HTMLElement | null>, options: ViewportOptions): Viewport {
  const [box, setBox] = useState<Box>({ width: 0, height: 0, top: 0, left: 0 });
  const spans = spansOf(box, options);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return;
    let frame = 0;
    const measure = (): void => {
      frame = 0;
      const { clientWidth: width, clientHeight: height, scrollTop: top, scrollLeft: left } = element;
      const next = { width, height, top, left };
      setBox((before) => (sameView(before, next, options) ? before : next));
    };
    const plan = (): void => {
      if (frame === 0) frame = requestAnimationFrame(measure);
    };
    measure();
    const observer = new ResizeObserver(plan);
    observer.observe(element);
    element.addEventListener('scroll', plan, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', plan);
      cancelAnimationFrame(frame);
    };
  }, [ref, options.rows, options.columns]);
  return { width: box.width, height: box.height, spans };
}

function spansOf(box: Box, options: ViewportOptions): Viewport['spans'] {
  const layout = options.layout(box.width);
  return {
    rows: visibleSpan({
      offset: box.top,
      length: Math.max(0, box.height - layout.headHeight),
      itemSize: layout.rowHeight,
      count: options.rows,
      step: options.rowStep,
    }),
    columns: visibleSpan({
      offset: box.left,
      length: Math.max(0, box.width - fixedWidth(layout)),
      itemSize: layout.cellWidth,
      count: options.columns,
      step: options.columnStep,
    }),
  };
}

function sameView(a: Box, b: Box, options: ViewportOptions): boolean {
  if (a.width !== b.width || a.height !== b.height) return false;
  const before = spansOf(a, options);
  const after = spansOf(b, options);
  return (['rows', 'columns'] as const).every(
    (axis) => before[axis].start === after[axis].start && before[axis].end === after[axis].end,
  );
}
