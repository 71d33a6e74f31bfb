/**
 * How much to ask at once. Pure. Shallow on purpose: a deep queue commits early to the wrong piece, and what is in
 * flight is lost when a source goes.
 */

export const MAX_WINDOW = 16;
/** Before anything is measured: one on the way and one waiting behind it. */
const FIRST_WINDOW = 2;
/** For all sources of a download together, beyond the first piece of each: bounds memory and loss. */
export const IN_FLIGHT_BUDGET_BYTES = 48 * 2 ** 20;
/** Sources with something in flight at a time; more would only split the link. */
export const MAX_ACTIVE_SOURCES = 32;

export interface Pace {
  /** While something is in flight; undefined until measured. */
  readonly bytesPerSecond: number | undefined;
  /** From the order to the first byte, without the wait behind earlier pieces; undefined until measured. */
  readonly roundTripMs: number | undefined;
}

/** Pieces to keep in flight at one source: what the line holds in a round trip, and one more so that it never idles. */
export function windowOf(pace: Pace, pieceBytes: number): number {
  if (pace.bytesPerSecond === undefined || pace.roundTripMs === undefined) return FIRST_WINDOW;
  const onTheLine = Math.ceil((pace.bytesPerSecond * pace.roundTripMs) / 1000 / pieceBytes);
  return Math.min(MAX_WINDOW, Math.max(1, onTheLine + 1));
}

export interface InFlight {
  /** At this source. */
  readonly pieces: number;
  /** At all sources of the download. */
  readonly totalBytes: number;
  /** Sources that have something in flight. */
  readonly activeSources: number;
}

/** How many more pieces a source takes now. Every source may have one, so that a slow one cannot keep out a quick one. */
export function roomOf(window: number, inFlight: InFlight, pieceBytes: number): number {
  const wanted = window - inFlight.pieces;
  if (wanted <= 0) return 0;
  if (inFlight.pieces === 0 && inFlight.activeSources >= MAX_ACTIVE_SOURCES) return 0;
  const budgeted = Math.max(0, Math.floor((IN_FLIGHT_BUDGET_BYTES - inFlight.totalBytes) / pieceBytes));
  const always = inFlight.pieces === 0 ? 1 : 0;
  return Math.min(wanted, Math.max(always, budgeted));
}
