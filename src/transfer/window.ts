/**
 * How much to ask at once. Pure. Shallow on purpose: a deep queue commits early to the wrong piece, and what is in
 * flight is lost when a source goes.
 */

export const MAX_WINDOW = 16;
/**
 * Before anything is measured. More would begin many pieces side by side, and a swarm can pass on nothing until the first
 * of them is whole.
 */
const FIRST_WINDOW = 1;
/** Chosen by simulation of 8 to 1,000 nodes; see bench/notes.md. */
const PEER_PIECES = 8;
/** For all downloads together, beyond the first piece of each source: bounds memory, since pieces are verified in it. */
export const IN_FLIGHT_BUDGET_BYTES = 48 * 2 ** 20;
/** With the first pieces. Only a download that would have nothing in flight at all goes beyond. */
const IN_FLIGHT_LIMIT_BYTES = 2 * IN_FLIGHT_BUDGET_BYTES;

/** Shared by the downloads of a daemon: bytes asked for and not yet written. */
export interface InFlightBudget {
  bytes: number;
}

export interface Pace {
  /** While something is in flight; undefined until measured. */
  readonly bytesPerSecond: number | undefined;
  /** From the order to the first byte, without the wait behind earlier pieces, and from the last to the end. */
  readonly roundTripMs: number | undefined;
}

/**
 * What a piece waits for beside the line: the turns of both ends' event loops, which a busy machine draws out. Without
 * it the window of a quick line is two pieces, the rate is what two pieces give, and neither ever grows.
 */
const SLACK_MS = 25;

/** Pieces to keep in flight at one source: what the line holds in a round trip, and one more so that it never idles. */
export function windowOf(pace: Pace, pieceBytes: number): number {
  if (pace.bytesPerSecond === undefined || pace.roundTripMs === undefined) return FIRST_WINDOW;
  const onTheLine = Math.ceil((pace.bytesPerSecond * (pace.roundTripMs + SLACK_MS)) / 1000 / pieceBytes);
  return Math.min(MAX_WINDOW, Math.max(1, onTheLine + 1));
}

/**
 * Pieces to keep in flight at all peers of a download together. Who asks everybody for everything at once binds pieces to
 * nodes that will give them late, while those who have them meanwhile idle; who asks too few idles himself.
 */
export function peerWindowOf(together: Pace, pieceBytes: number): number {
  const { bytesPerSecond = 0, roundTripMs = 0 } = together;
  return PEER_PIECES + Math.ceil((bytesPerSecond * roundTripMs) / 1000 / pieceBytes);
}

export interface InFlight {
  /** At this source. */
  readonly pieces: number;
  /** At all sources of the download. */
  readonly downloadPieces: number;
  /** In all downloads. */
  readonly totalBytes: number;
}

/** How many more pieces a source takes now. Every source may have one, so that a slow one cannot keep out a quick one. */
export function roomOf(window: number, inFlight: InFlight, pieceBytes: number): number {
  const wanted = window - inFlight.pieces;
  if (wanted <= 0) return 0;
  const budgeted = Math.floor((IN_FLIGHT_BUDGET_BYTES - inFlight.totalBytes) / pieceBytes);
  const within = inFlight.totalBytes + pieceBytes <= IN_FLIGHT_LIMIT_BYTES;
  const first = inFlight.downloadPieces === 0 || (inFlight.pieces === 0 && within) ? 1 : 0;
  return Math.min(wanted, Math.max(first, budgeted));
}
