import { EventEmitter } from 'node:events';
import type { Bitfield } from '../content/bitfield.ts';
import { pieceHash } from '../content/manifest.ts';
import { geometryOf, type PieceGeometry, pieceLength, pieceOffset } from '../content/piece-geometry.ts';
import type { ShoalError } from '../util/errors.ts';
import { Alarm } from './alarm.ts';
import type { RateLimiter } from './bandwidth.ts';
import type { DownloadProgress, DownloadState } from './download-progress.ts';
import { DownloadTally } from './download-tally.ts';
import { Grant } from './grant.ts';
import type { OriginRule } from './origin-rule.ts';
import { PieceChoice, type SharedOrigins } from './piece-choice.ts';
import { type BlobTarget, type Piece, type SourceId, type SourceOpener, sourceKey } from './piece-source.ts';
import { PiecesInFlight } from './pieces-in-flight.ts';
import type { PieceRequest } from './request-line.ts';
import type { HeardSession, SessionListener, SessionParts, SourceActivity } from './session-listener.ts';
import { SourceSession } from './source-session.ts';
import type { InFlightBudget } from './window.ts';

/** No byte from anybody for so long: the download says that it is stalled. */
export const DOWNLOAD_STALL_MS = 3000;
const ROOM_PROBE_MS = 2000;
const LOOK_AGAIN_MS = 1000;
/** In the endgame who is slow shows with time, not with an event. */
const ENDGAME_LOOK_MS = 250;
/** Woken so much too late, the process was held up and cannot tell who is silent. */
const HELD_UP_MS = 500;
const CLOSE_MS = 1000;

export interface DownloadOptions {
  readonly blob: BlobTarget;
  /** Re-checked by hash before; grows as pieces arrive, and only here. */
  readonly have: Bitfield;
  readonly sharedOrigins?: SharedOrigins;
  /** In place of `sharedOrigins`, where origins are read by another rule. */
  readonly originRule?: OriginRule;
}

export interface DownloadParts extends SessionParts {
  /** Shared by all downloads of the daemon. */
  readonly budget: InFlightBudget;
  readonly limiters?: { readonly down?: RateLimiter; readonly origin?: RateLimiter };
  /** Whether the missing bytes fit on the disk now; asked again and again after it was full. */
  readonly hasRoom: (missingBytes: number) => Promise<boolean>;
}

/**
 * Fetches the missing pieces of one blob from sources that come and go, until all are verified and on disk. Everything
 * that can go wrong with a source is survived; `run` ends only complete or aborted. Emits `piece` for each new piece and
 * `state` for each change of state.
 */
export class Download extends EventEmitter<{ piece: [number]; state: [DownloadState] }> {
  readonly blob: BlobTarget;
  readonly have: Bitfield;
  readonly #geometry: PieceGeometry;
  readonly #parts: DownloadParts;
  readonly #alarm: Alarm;
  readonly #choice: PieceChoice;
  readonly #grants: { down: Grant; origin: Grant };
  readonly #sessions = new Map<string, SourceSession>();
  readonly #inFlight: PiecesInFlight;
  readonly #tally: DownloadTally;
  #state: DownloadState = { kind: 'idle' };
  #progressMs = 0;

  constructor(options: DownloadOptions, parts: DownloadParts) {
    super();
    this.blob = options.blob;
    this.have = options.have;
    this.#geometry = geometryOf(options.blob.manifest.sizeBytes);
    this.#parts = parts;
    this.#alarm = new Alarm({ clock: parts.clock });
    this.#inFlight = new PiecesInFlight(options, parts);
    const { blob, have, sharedOrigins, originRule } = options;
    this.#choice = new PieceChoice(
      { sha256: blob.sha256, geometry: this.#geometry, have, sharedOrigins, originRule },
      { sessions: this.#sessions, inFlight: this.#inFlight, budget: parts.budget, random: parts.random },
    );
    const grant = { bytes: this.#geometry.pieceSizeBytes, onReady: () => this.#alarm.ring() };
    this.#grants = { down: new Grant(grant, parts.limiters?.down), origin: new Grant(grant, parts.limiters?.origin) };
    let doneBytes = 0;
    for (const index of this.have.indices()) doneBytes += pieceLength(this.#geometry, index);
    this.#tally = new DownloadTally({ doneBytes }, parts);
  }

  get state(): DownloadState {
    return this.#state;
  }

  /** Also for one that left or failed and is known to be there again. */
  addSource(opener: SourceOpener): void {
    const session = this.#sessions.get(sourceKey(opener.id));
    if (session !== undefined) session.join(opener);
    else {
      const options = { opener, blob: this.blob, listener: this.#listener };
      this.#sessions.set(sourceKey(opener.id), new SourceSession(options, this.#parts));
    }
    this.#alarm.ring();
  }

  removeSource(id: SourceId): void {
    this.#sessions.get(sourceKey(id))?.leave();
    this.#alarm.ring();
  }

  progress(): DownloadProgress {
    const nowMs = this.#parts.clock.monotonic();
    const bytesPerSecond = this.#tally.bytesPerSecond();
    const moves = this.#state.kind === 'fetching' && bytesPerSecond >= 1;
    return {
      state: this.#state,
      bytesTotal: this.blob.manifest.sizeBytes,
      bytesDone: this.#tally.doneBytes,
      receivedBytes: this.#tally.receivedBytes,
      refetchedBytes: this.#tally.wastedBytes,
      bytesPerSecond,
      etaMs: moves ? (this.#missingBytes() / bytesPerSecond) * 1000 : undefined,
      sources: [...this.#sessions.values()].map((session) => ({
        id: session.id,
        ...session.delivered,
        bytesPerSecond: session.line.bytesPerSecond(nowMs),
        state: session.activity,
      })),
    };
  }

  /** Resolves when every piece is verified and on disk; the sha256 of the whole is for the caller to check. */
  async run(signal: AbortSignal): Promise<DownloadProgress> {
    const { clock } = this.#parts;
    this.#progressMs = clock.monotonic();
    this.#tally.start();
    this.#change({ kind: 'fetching' });
    const grants = new AbortController();
    const onAbort = (): void => this.#alarm.ring();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (!this.have.complete) {
        signal.throwIfAborted();
        if (this.#state.kind === 'paused') await this.#waitForRoom(signal);
        else {
          const wakeMs = this.#step(clock.monotonic(), grants.signal);
          await this.#alarm.wait(wakeMs - clock.monotonic());
          signal.throwIfAborted();
          this.#forgiveIfHeldUp(wakeMs);
        }
      }
      this.#change({ kind: 'complete' });
      return this.progress();
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#alarm[Symbol.dispose]();
      grants.abort();
      if (this.#state.kind !== 'complete') this.#change({ kind: 'idle' });
      await this.#leaveAll();
    }
  }

  /** One look at everything: who has fallen silent, who may be asked what. Returns when to look again. */
  #step(nowMs: number, grants: AbortSignal): number {
    let wakeMs = nowMs + LOOK_AGAIN_MS;
    for (const session of this.#sessions.values()) {
      const deadlineMs = session.tick(nowMs);
      if (deadlineMs > nowMs) wakeMs = Math.min(wakeMs, deadlineMs);
    }
    this.#fill(nowMs, grants);
    if (this.#choice.wakeMs > nowMs) wakeMs = Math.min(wakeMs, this.#choice.wakeMs);
    if (this.#grants.down.waiting || this.#grants.origin.waiting) this.#progressMs = nowMs;
    const quietMs = nowMs - this.#progressMs;
    if (this.#state.kind === 'fetching') {
      if (quietMs >= DOWNLOAD_STALL_MS) this.#stall();
      else wakeMs = Math.min(wakeMs, this.#progressMs + DOWNLOAD_STALL_MS);
    }
    const missing = this.have.length - this.have.count;
    return this.#inFlight.size === missing ? Math.min(wakeMs, nowMs + ENDGAME_LOOK_MS) : wakeMs;
  }

  #fill(nowMs: number, grants: AbortSignal): void {
    const next = this.#choice.look(nowMs, () => this.#grants.origin.ready(grants));
    while (this.#grants.down.ready(grants)) {
      const pick = next();
      if (pick === undefined) return;
      const session = this.#sessions.get(pick.sourceKey);
      if (session === undefined) return;
      this.#grants.down.use();
      if (session.id.kind === 'origin') this.#grants.origin.use();
      const isMoved = pick.insteadOf !== undefined;
      if (isMoved) this.#sessions.get(pick.insteadOf)?.cancel(pick.index);
      this.#inFlight.add(session.request(this.#piece(pick.index), nowMs, { isMoved }));
    }
  }

  #piece(index: number): Piece {
    return {
      index,
      offset: pieceOffset(this.#geometry, index),
      length: pieceLength(this.#geometry, index),
      hash: pieceHash(this.blob.manifest, index),
    };
  }

  readonly #listener: SessionListener = {
    opened: (session, availability) => {
      this.#choice.opened(session, availability);
      this.#alarm.ring();
    },
    closed: (session) => {
      this.#choice.closed(session);
      this.#alarm.ring();
    },
    availabilityChanged: (session, added) => {
      if (this.#choice.availabilityChanged(session, added, this.#parts.clock.monotonic())) this.#alarm.ring();
    },
    bytes: (session, request, bytes) => {
      this.#tally.received(bytes, session.id.kind);
      this.#choice.received(session, bytes, this.#parts.clock.monotonic());
      if (request.dropped) this.#tally.wasted(bytes);
      else this.#progress();
    },
    requestEnded: (session, request, outcome) => {
      if (outcome !== 'late') this.#inFlight.remove(request);
      if (outcome === 'lost') this.#tally.wasted(request.received);
      else this.#arrived(session, request, outcome);
      this.#alarm.ring();
    },
    diskFull: (problem) => this.#pause(problem),
  };

  #arrived(session: HeardSession, request: PieceRequest, outcome: 'arrived' | 'late'): void {
    const { index, length } = request.piece;
    if (!this.have.add(index)) {
      if (outcome === 'arrived') this.#tally.wasted(request.received);
      return;
    }
    this.#inFlight.arrived(index);
    if (outcome === 'late') this.#tally.notWasted(request.received);
    this.#tally.done(length);
    session.delivered.pieces += 1;
    session.delivered.bytes += length;
    for (const loser of this.#inFlight.of(index)) this.#sessions.get(loser.sourceKey)?.cancel(index);
    this.emit('piece', index);
  }

  #progress(): void {
    this.#progressMs = this.#parts.clock.monotonic();
    if (this.#state.kind !== 'stalled') return;
    this.#parts.log.info({ sha256: this.blob.sha256 }, 'download goes on');
    this.#change({ kind: 'fetching' });
  }

  #missingBytes(): number {
    return this.blob.manifest.sizeBytes - this.#tally.doneBytes;
  }

  #stall(): void {
    const counts: Record<SourceActivity, number> = { active: 0, idle: 0, stalled: 0, blamed: 0, gone: 0 };
    for (const session of this.#sessions.values()) counts[session.activity] += 1;
    const missingPieces = this.have.length - this.have.count;
    const fields = { sha256: this.blob.sha256, missingPieces, sources: counts };
    this.#parts.log.warn(fields, 'download stalled, it goes on when a source gives what is missing');
    this.#change({ kind: 'stalled', sinceMs: this.#parts.clock.now() });
  }

  #pause(problem: ShoalError): void {
    // Several pieces in flight meet the full disk together.
    if (this.#state.kind === 'paused') return;
    this.#change({ kind: 'paused', problem });
    for (const session of this.#sessions.values()) session.cancelAll();
    const fields = { err: problem, sha256: this.blob.sha256, missingBytes: this.#missingBytes() };
    this.#parts.log.warn(fields, 'disk full, the download waits for room');
    this.#alarm.ring();
  }

  async #waitForRoom(signal: AbortSignal): Promise<void> {
    await this.#parts.clock.sleep(ROOM_PROBE_MS, signal);
    try {
      if (!(await this.#parts.hasRoom(this.#missingBytes()))) return;
    } catch (error) {
      this.#parts.log.warn({ err: error, sha256: this.blob.sha256 }, 'cannot tell whether there is room');
      return;
    }
    this.#parts.log.info({ sha256: this.blob.sha256 }, 'there is room again, the download goes on');
    this.#progressMs = this.#parts.clock.monotonic();
    this.#change({ kind: 'fetching' });
  }

  #forgiveIfHeldUp(wakeMs: number): void {
    const nowMs = this.#parts.clock.monotonic();
    const heldUpMs = nowMs - wakeMs;
    if (heldUpMs < HELD_UP_MS) return;
    for (const session of this.#sessions.values()) session.forgiveSilence(heldUpMs, nowMs);
  }

  #change(state: DownloadState): void {
    const stalled = Number(state.kind === 'stalled') - Number(this.#state.kind === 'stalled');
    this.#parts.metrics.stalledDownloads.inc(stalled);
    this.#state = state;
    this.emit('state', state);
  }

  /** A source that hangs is not waited for. */
  async #leaveAll(): Promise<void> {
    for (const session of this.#sessions.values()) session.leave();
    const late = new AbortController();
    const deadline = this.#parts.clock.sleep(CLOSE_MS, late.signal).catch(() => undefined);
    await Promise.race([Promise.all([...this.#sessions.values()].map((session) => session.closed())), deadline]);
    late.abort();
  }
}
