export interface Span {
  readonly start: number;
  /** Not part of it. */
  readonly end: number;
}

/** The items that a scrolled view shows, and some around them, in whole steps so that small moves change nothing. */
export function visibleSpan(view: {
  readonly offset: number;
  readonly length: number;
  readonly itemSize: number;
  readonly count: number;
  readonly step: number;
}): Span {
  const { offset, length, itemSize, count, step } = view;
  const first = Math.max(0, Math.floor(offset / itemSize));
  const last = Math.min(count, Math.ceil((offset + length) / itemSize));
  const start = Math.max(0, Math.floor(first / step) * step - step);
  const end = Math.min(count, Math.ceil(last / step) * step + step);
  return { start: Math.min(start, end), end };
}
