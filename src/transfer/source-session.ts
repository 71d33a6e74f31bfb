import type { ShoalError } from '../util/errors.ts';
import { codeOf, messageOf } from '../util/errors.ts';
import type { BlameReason } from './blame.ts';
import { patienceMs } from './patience.ts';
import { PENALTIES } from './penalty.ts';
import {
  type Availability,
  type BlobTarget,
  type Piece,
  type PieceSource,
  type SourceId,
  type SourceOpener,
  sourceKey,
} from './piece-source.ts';
import { type PieceRequest, RequestLine } from './request-line.ts';
import { RetrySchedule } from './retry-schedule.ts';
import type { HeardSession, SessionListener, SessionParts, SourceActivity } from './session-listener.ts';
import { windowOf } from './window.ts';

/** Left after so long without a byte: under the promised 3 s, with room for a loop that comes a little late. */
export const SOURCE_STALL_MS = 2500;
/** All bytes are here and verifying and writing takes its time: the disk's fault, but not for ever. */
const SETTLE_MS = 30_000;
const OPEN_MS = 10_000;

/** One for all: an error with its stack for each piece that is moved would cost more than the move. */
const NOT_WANTED = new DOMException('the piece is no longer wanted from here', 'AbortError');

type SessionState =
  | { readonly kind: 'left' }
  | { readonly kind: 'waiting'; readonly why: 'new' | 'stalled' | 'gone' | 'blamed'; readonly untilMs: number }
  | { readonly kind: 'opening'; readonly sinceMs: number; readonly controller: AbortController }
  | { readonly kind: 'open'; readonly source: PieceSource; readonly unlisten: () => void };

/**
 * One source of one download, over all its ups and downs: opened when it may be used, left when it stalls, lies or goes,
 * opened again after a while. All deadlines are judged in `tick`, so a session owns no timer.
 */
export class SourceSession implements HeardSession {
  readonly id: SourceId;
  readonly key: string;
  readonly delivered = { pieces: 0, bytes: 0 };
  readonly #blob: BlobTarget;
  readonly #listener: SessionListener;
  readonly #parts: SessionParts;
  readonly #line: RequestLine;
  readonly #retry: RetrySchedule;
  #opener: SourceOpener;
  #state: SessionState = { kind: 'waiting', why: 'new', untilMs: -Infinity };
  #closing: Promise<void> = Promise.resolve();

  constructor(
    options: { readonly opener: SourceOpener; readonly blob: BlobTarget; readonly listener: SessionListener },
    parts: SessionParts,
  ) {
    this.id = options.opener.id;
    this.key = sourceKey(this.id);
    this.#opener = options.opener;
    this.#blob = options.blob;
    this.#listener = options.listener;
    this.#parts = parts;
    this.#line = new RequestLine(this.key, parts);
    this.#retry = new RetrySchedule(parts);
  }

  get availability(): Availability | undefined {
    return this.#state.kind === 'open' ? this.#state.source.availability : undefined;
  }

  /** What is asked for and how quickly it comes; for reading only. */
  get line(): Pick<RequestLine, 'size' | 'bytesPerSecond' | 'expectedMs' | 'roundTripMs'> {
    return this.#line;
  }

  get activity(): SourceActivity {
    if (!this.#parts.blame.isAllowed(this.id)) return 'blamed';
    switch (this.#state.kind) {
      case 'left':
        return 'gone';
      case 'waiting':
        return this.#state.why === 'new' ? 'idle' : this.#state.why;
      case 'opening':
        return 'idle';
      case 'open':
        return this.#line.size > 0 ? 'active' : 'idle';
    }
  }

  /** It was taken back by whoever named it. */
  get hasLeft(): boolean {
    return this.#state.kind === 'left';
  }

  /** It is open and gives nothing: what it holds is not to be counted on. */
  get isRefusing(): boolean {
    return this.#state.kind === 'open' && this.#retry.refusing;
  }

  /** It may soon turn out to have what is missing. */
  isPromising(nowMs: number): boolean {
    if (this.#state.kind !== 'opening' || this.#retry.failures > 0) return false;
    return nowMs < this.#state.sinceMs + patienceMs(this.#opener, this.#blob);
  }

  /** Whether it may be asked for pieces now. */
  isUsable(nowMs: number): boolean {
    return this.#state.kind === 'open' && nowMs >= this.#retry.busyUntilMs && this.#parts.blame.isAllowed(this.id);
  }

  /** Pieces to keep in flight while it is usable. */
  window(nowMs: number): number {
    if (this.#state.kind !== 'open' || this.#retry.probing) return 1;
    const { leastWindow = 1 } = this.#state.source;
    return Math.max(leastWindow, windowOf(this.#line.pace(nowMs), this.#blob.manifest.pieceSizeBytes));
  }

  /** The source is there (again): what was known about its last failure no longer holds, what it is blamed for does. */
  join(opener: SourceOpener): void {
    this.#opener = opener;
    if (this.#state.kind === 'left' || (this.#state.kind === 'waiting' && this.#state.why !== 'blamed')) {
      this.#retry.forgive();
      this.#state = { kind: 'waiting', why: 'new', untilMs: -Infinity };
    }
  }

  leave(): void {
    this.#close({ kind: 'left' });
  }

  /** Resolves when everything that was opened has been closed; never rejects. */
  closed(): Promise<void> {
    return this.#closing;
  }

  /** Judges the deadlines that have passed and returns the next one. */
  tick(nowMs: number): number {
    switch (this.#state.kind) {
      case 'left':
        return Infinity;
      case 'waiting': {
        const untilMs = Math.max(this.#state.untilMs, nowMs + this.#parts.blame.blockedMs(this.id));
        if (nowMs < untilMs) return untilMs;
        void this.#open(nowMs);
        return nowMs + patienceMs(this.#opener, this.#blob);
      }
      case 'opening': {
        const deadlineMs = this.#state.sinceMs + OPEN_MS;
        if (nowMs >= deadlineMs) {
          this.#retryLater('stalled', `not open after ${OPEN_MS} ms`);
          return nowMs;
        }
        return this.isPromising(nowMs) ? this.#state.sinceMs + patienceMs(this.#opener, this.#blob) : deadlineMs;
      }
      case 'open': {
        if (!this.#parts.blame.isAllowed(this.id)) {
          this.#close({ kind: 'waiting', why: 'blamed', untilMs: -Infinity });
          return nowMs;
        }
        const { busyUntilMs } = this.#retry;
        if (this.#line.size === 0) return busyUntilMs > nowMs ? busyUntilMs : Infinity;
        const { quietSinceMs } = this.#line;
        const deadlineMs = quietSinceMs + (this.#line.missingBytes() > 0 ? SOURCE_STALL_MS : SETTLE_MS);
        if (nowMs < deadlineMs) return deadlineMs;
        this.#parts.metrics.stalls.inc({ source: this.id.kind });
        this.#retryLater('stalled', `no bytes for ${Math.round(nowMs - quietSinceMs)} ms`);
        return nowMs;
      }
    }
  }

  forgiveSilence(heldUpMs: number, nowMs: number): void {
    this.#line.forgiveSilence(heldUpMs, nowMs);
  }

  request(piece: Piece, nowMs: number, options: { readonly isMoved: boolean }): PieceRequest {
    if (this.#state.kind !== 'open') throw new Error(`source ${this.key} is not open`);
    const request = this.#line.add(piece, nowMs, options);
    void this.#fetch(this.#state.source, request);
    return request;
  }

  /** The piece is here or no longer wanted from this source. */
  cancel(index: number): void {
    const request = this.#line.find(index);
    if (request !== undefined) this.#drop(request);
  }

  cancelAll(): void {
    for (const request of this.#line.all()) this.#drop(request);
  }

  async #open(nowMs: number): Promise<void> {
    const controller = new AbortController();
    const opening: SessionState = { kind: 'opening', sinceMs: nowMs, controller };
    this.#state = opening;
    try {
      const source = await this.#opener.open(this.#blob, controller.signal);
      // The one who gave up meanwhile has set another state.
      if ((this.#state as SessionState) !== opening) {
        await source.close();
        return;
      }
      const unlisten = source.availability.onChange((added) => this.#listener.availabilityChanged(this, added));
      this.#state = { kind: 'open', source, unlisten };
      this.#line.reset();
      this.#listener.opened(this, source.availability);
    } catch (error) {
      if ((this.#state as SessionState) === opening) this.#fail(error, undefined);
      else this.#parts.log.debug({ err: error, source: this.key }, 'source failed after it was given up');
    }
  }

  async #fetch(source: PieceSource, request: PieceRequest): Promise<void> {
    const { piece } = request;
    let ended = false;
    const onBytes = (bytes: number): void => {
      if (!ended) this.#received(request, bytes);
    };
    try {
      await source.fetch(piece, onBytes, request.controller.signal);
    } catch (error) {
      ended = true;
      if (!request.dropped) this.#fail(error, request);
      return;
    }
    // Sources may report only the end.
    if (request.received < piece.length) onBytes(piece.length - request.received);
    ended = true;
    this.#arrived(request);
  }

  #received(request: PieceRequest, bytes: number): void {
    this.#line.received(request, bytes, this.#parts.clock.monotonic());
    this.#listener.bytes(this, request, bytes);
  }

  #arrived(request: PieceRequest): void {
    if (request.dropped) {
      this.#listener.requestEnded(this, request, 'late');
      return;
    }
    const nowMs = this.#parts.clock.monotonic();
    this.#retry.delivered();
    this.#parts.metrics.pieceSeconds.observe({ source: this.id.kind }, (nowMs - request.askedMs) / 1000);
    this.#line.done(request, nowMs);
    this.#listener.requestEnded(this, request, 'arrived');
  }

  #fail(error: unknown, request: PieceRequest | undefined): void {
    const detail = messageOf(error);
    const penalty = PENALTIES[codeOf(error)];
    switch (penalty) {
      case 'blame':
        this.#blame(error, request);
        break;
      case 'busy':
        this.#leaveAlone(request);
        break;
      case 'stalled':
      case 'gone':
        if (penalty === 'stalled') this.#parts.metrics.stalls.inc({ source: this.id.kind });
        this.#retryLater(penalty, detail);
        break;
      case 'defect':
        this.#parts.log.warn({ err: error, source: this.key, sha256: this.#blob.sha256 }, 'source failed unexpectedly');
        this.#retryLater('gone', detail);
        break;
      case 'disk-full':
        if (request === undefined) this.#retryLater('gone', detail);
        else this.#drop(request);
        this.#listener.diskFull(error as ShoalError);
        break;
    }
  }

  #blame(error: unknown, request: PieceRequest | undefined): void {
    const reason: BlameReason = codeOf(error) === 'piece-corrupt' ? 'piece-corrupt' : 'source-lied';
    const { sha256 } = this.#blob;
    this.#parts.blame.strike(this.id, { reason, detail: messageOf(error), sha256, piece: request?.piece.index });
    this.#retry.blamed();
    this.#close({ kind: 'waiting', why: 'blamed', untilMs: -Infinity });
  }

  #leaveAlone(request: PieceRequest | undefined): void {
    const nowMs = this.#parts.clock.monotonic();
    this.#retry.turnedAway(nowMs);
    this.#line.alive(nowMs);
    if (request !== undefined) this.#drop(request);
    else this.#close({ kind: 'waiting', why: 'new', untilMs: this.#retry.busyUntilMs });
  }

  #retryLater(why: 'stalled' | 'gone', detail: string): void {
    const untilMs = this.#retry.failed(this.#parts.clock.monotonic());
    const fields = { source: this.key, sha256: this.#blob.sha256, why, detail, failures: this.#retry.failures };
    this.#parts.log.debug(fields, 'source left, its pieces go elsewhere');
    this.#close({ kind: 'waiting', why, untilMs });
  }

  #close(next: SessionState): void {
    const state = this.#state;
    this.#state = next;
    this.cancelAll();
    if (state.kind === 'opening') state.controller.abort();
    if (state.kind !== 'open') return;
    state.unlisten();
    this.#listener.closed(this);
    const closing = state.source.close().catch((error: unknown) => {
      this.#parts.log.debug({ err: error, source: this.key }, 'source did not close cleanly');
    });
    this.#closing = Promise.all([this.#closing, closing]).then(() => undefined);
  }

  #drop(request: PieceRequest): void {
    request.dropped = true;
    this.#line.remove(request, this.#parts.clock.monotonic());
    request.controller.abort(NOT_WANTED);
    this.#listener.requestEnded(this, request, 'lost');
  }
}
