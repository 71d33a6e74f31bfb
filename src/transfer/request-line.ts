import type { Clock } from '../util/clock.ts';
import { RateMeter, SourcePace } from './pace.ts';
import type { PickRequest } from './picker.ts';
import type { Piece } from './piece-source.ts';
import type { Pace } from './window.ts';

/** Before a rate is known, a request that old without an end counts as slow. */
const PATIENCE_MS = 1000;

/** One piece asked of one source. */
export interface PieceRequest extends PickRequest {
  readonly piece: Piece;
  readonly controller: AbortController;
  readonly askedMs: number;
  /** What the source still had to send before, when the piece was asked for. */
  readonly aheadBytes: number;
  received: number;
  receivedMs: number;
  /** No longer waited for; it may arrive all the same. */
  dropped: boolean;
}

/** The pieces asked of one source, in the order of asking, and how quickly they come. */
export class RequestLine {
  readonly #key: string;
  readonly #clock: Clock;
  readonly #requests = new Map<number, PieceRequest>();
  readonly #rate = new RateMeter(3000);
  #pace = new SourcePace();
  #quietSinceMs = 0;
  /** Since when it owes nothing; undefined while it does. */
  #restingSinceMs: number | undefined = 0;

  constructor(key: string, parts: { readonly clock: Clock }) {
    this.#key = key;
    this.#clock = parts.clock;
  }

  get size(): number {
    return this.#requests.size;
  }

  /** Monotonic time of the last sign of life; times in which the source owed nothing are taken out. */
  get quietSinceMs(): number {
    return this.#quietSinceMs;
  }

  pace(nowMs: number): Pace {
    return this.#pace.at(nowMs);
  }

  /** Without the wait behind earlier pieces; undefined until measured. */
  get roundTripMs(): number | undefined {
    return this.#pace.roundTripMs;
  }

  /** Of the last few seconds, idle time included. */
  bytesPerSecond(nowMs: number): number {
    return this.#rate.bytesPerSecond(nowMs);
  }

  find(index: number): PieceRequest | undefined {
    return this.#requests.get(index);
  }

  all(): PieceRequest[] {
    return [...this.#requests.values()];
  }

  /** Asked for and not yet here. */
  missingBytes(): number {
    let bytes = 0;
    for (const request of this.#requests.values()) bytes += missing(request);
    return bytes;
  }

  /** How long `bytes` asked now would take behind the rest; 0 when unknown. */
  expectedMs(bytes: number, nowMs: number): number {
    const { bytesPerSecond } = this.pace(nowMs);
    return bytesPerSecond === undefined ? 0 : msFor(this.missingBytes() + bytes, bytesPerSecond);
  }

  /** @param options.isMoved taken over from a source where it stood in line */
  add(piece: Piece, nowMs: number, { isMoved = false }: { readonly isMoved?: boolean } = {}): PieceRequest {
    const request = new LineRequest(piece, { sourceKey: this.#key, askedMs: nowMs, isMoved }, this);
    this.#owes(nowMs);
    this.#requests.set(piece.index, request);
    this.#pace.busy(nowMs);
    return request;
  }

  received(request: PieceRequest, bytes: number, nowMs: number): void {
    const isFirst = request.received === 0;
    request.received += bytes;
    request.receivedMs = nowMs;
    this.#quietSinceMs = nowMs;
    if (request.dropped) return; // a sign of life, no measure of what is asked for now
    if (isFirst) this.#pace.firstByte(nowMs - request.askedMs, request.aheadBytes, nowMs);
    if (missing(request) === 0) this.#restsIfNothingMissing(nowMs);
    this.#pace.received(bytes, nowMs);
    this.#rate.add(bytes, nowMs);
  }

  done(request: PieceRequest, nowMs: number): void {
    this.#quietSinceMs = nowMs;
    this.#pace.pieceDone(nowMs - request.receivedMs);
    this.remove(request, nowMs);
  }

  remove(request: PieceRequest, nowMs: number): void {
    this.#requests.delete(request.piece.index);
    this.#restsIfNothingMissing(nowMs);
    if (this.#requests.size === 0) this.#pace.idle(nowMs);
  }

  /** It said something other than bytes of what it owes. */
  alive(nowMs: number): void {
    this.#quietSinceMs = nowMs;
  }

  /** This process was held up so long: what looks like silence may wait in the sockets. No more than that is forgiven. */
  forgiveSilence(heldUpMs: number, nowMs: number): void {
    if (this.#restingSinceMs === undefined) this.#quietSinceMs = Math.min(nowMs, this.#quietSinceMs + heldUpMs);
  }

  /** A new connection: what was measured on the old one says little. */
  reset(): void {
    this.#pace = new SourcePace();
    this.#quietSinceMs = this.#clock.monotonic();
  }

  /** Taking pieces away from a silent source and giving it others does not make it speak: its silence goes on. */
  #owes(nowMs: number): void {
    if (this.#restingSinceMs === undefined) return;
    this.#quietSinceMs = Math.min(nowMs, this.#quietSinceMs + nowMs - this.#restingSinceMs);
    this.#restingSinceMs = undefined;
  }

  #restsIfNothingMissing(nowMs: number): void {
    if (this.#restingSinceMs === undefined && this.missingBytes() === 0) this.#restingSinceMs = nowMs;
  }

  /** How old a request is. */
  ageMs(request: PieceRequest): number {
    return this.#clock.monotonic() - request.askedMs;
  }

  /** Sources answer about in the order of asking, so a piece waits for those before it. */
  remainingMs(request: PieceRequest): number {
    const nowMs = this.#clock.monotonic();
    const { bytesPerSecond } = this.pace(nowMs);
    if (bytesPerSecond === undefined) return nowMs - request.askedMs < PATIENCE_MS ? 0 : Infinity;
    let bytes = 0;
    for (const other of this.#requests.values()) {
      bytes += missing(other);
      if (other === request) break;
    }
    return msFor(bytes, bytesPerSecond);
  }
}

class LineRequest implements PieceRequest {
  readonly piece: Piece;
  readonly sourceKey: string;
  readonly controller = new AbortController();
  readonly askedMs: number;
  readonly aheadBytes: number;
  received = 0;
  receivedMs: number;
  dropped = false;
  readonly #isMoved: boolean;
  readonly #line: RequestLine;

  constructor(
    piece: Piece,
    options: { readonly sourceKey: string; readonly askedMs: number; readonly isMoved: boolean },
    line: RequestLine,
  ) {
    this.piece = piece;
    this.sourceKey = options.sourceKey;
    this.askedMs = options.askedMs;
    this.aheadBytes = line.missingBytes();
    this.receivedMs = options.askedMs;
    this.#isMoved = options.isMoved;
    this.#line = line;
  }

  get remainingMs(): number {
    return this.#line.remainingMs(this);
  }

  get ageMs(): number {
    return this.#line.ageMs(this);
  }

  get movable(): boolean {
    return !this.#isMoved && this.received === 0;
  }
}

function missing(request: PieceRequest): number {
  return Math.max(0, request.piece.length - request.received);
}

function msFor(bytes: number, bytesPerSecond: number): number {
  if (bytes === 0) return 0;
  return bytesPerSecond === 0 ? Infinity : (bytes / bytesPerSecond) * 1000;
}
