import { geometryOf } from '../../src/content/piece-geometry.ts';
import type {
  Availability,
  BlobTarget,
  Fetched,
  Piece,
  PieceSource,
  SourceId,
  SourceOpener,
} from '../../src/transfer/piece-source.ts';
import type { Clock } from '../../src/util/clock.ts';
import { ShoalError } from '../../src/util/errors.ts';
import type { Random } from '../../src/util/random.ts';

export const SHA = 'ab'.repeat(32);

/** A blob of which nobody ever sees a byte. */
export function fakeBlob(sizeBytes: number): BlobTarget {
  const { pieceSizeBytes, pieceCount } = geometryOf(sizeBytes);
  const manifest = { sizeBytes, pieceSizeBytes, sha256: SHA, pieceHashes: new Uint8Array(32 * pieceCount) };
  return { sha256: SHA, manifest, partial: { dir: '/nowhere', sha256: SHA, sizeBytes } };
}

export interface Behaviour {
  readonly bytesPerSecond: number;
  readonly latencyMs: number;
  /** Chances per piece. */
  readonly corrupt?: number;
  readonly lies?: number;
  readonly busy?: number;
  readonly stalls?: number;
  /** A stalled or hanging fetch does not even end when it is aborted. */
  readonly deaf?: boolean;
  /** Answers nothing during these times; its connections break at the start. */
  readonly goneFromMs?: number;
  readonly goneUntilMs?: number;
  /** Sends nothing during these times, and says nothing about it. */
  readonly silentFromMs?: number;
  readonly silentUntilMs?: number;
  readonly reportsOnlyTheEnd?: boolean;
  /** It has the blob from others itself, at this very time. */
  readonly fetching?: boolean;
  readonly leastWindow?: number;
}

export interface Ask {
  readonly source: string;
  readonly index: number;
  readonly atMs: number;
  readonly signal: AbortSignal;
  ended: boolean;
}

interface FakeParts {
  readonly clock: Clock;
  readonly random: Random;
}

/** A source with a line of its own, on which pieces follow each other, and with bad habits. */
export class FakeSource implements SourceOpener {
  readonly id: SourceId;
  readonly behaviour: Behaviour;
  readonly asks: Ask[] = [];
  readonly availability: Availability;
  onAsk: (ask: Ask) => void = () => undefined;
  opened = 0;
  closed = 0;
  readonly #parts: FakeParts;
  readonly #held: Set<number> | undefined;
  readonly #listeners = new Set<() => void>();
  #freeAtMs = 0;

  /** @param options.holds undefined for everything */
  constructor(
    options: { readonly id: SourceId; readonly behaviour: Behaviour; readonly holds?: Iterable<number> },
    parts: FakeParts,
  ) {
    this.id = options.id;
    this.behaviour = options.behaviour;
    this.#parts = parts;
    this.#held = options.holds === undefined ? undefined : new Set(options.holds);
    const held = this.#held;
    this.availability = {
      complete: held === undefined,
      has: (index) => held?.has(index) ?? true,
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }

  get fetching(): boolean {
    return this.behaviour.fetching === true;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  gain(index: number): void {
    this.#held?.add(index);
    for (const listener of this.#listeners) listener();
  }

  async open(_blob: BlobTarget, signal: AbortSignal): Promise<PieceSource> {
    await this.#parts.clock.sleep(this.behaviour.latencyMs, signal);
    if (this.#gone()) throw new ShoalError('source-gone', 'no answer');
    this.opened += 1;
    const hangUp = new AbortController();
    return {
      id: this.id,
      availability: this.availability,
      ...(this.behaviour.leastWindow === undefined ? {} : { leastWindow: this.behaviour.leastWindow }),
      fetch: (piece, onBytes, fetchSignal) =>
        this.#fetch(piece, onBytes, AbortSignal.any([fetchSignal, hangUp.signal])),
      close: () => {
        this.closed += 1;
        hangUp.abort();
        return Promise.resolve();
      },
    };
  }

  async #fetch(piece: Piece, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<Fetched> {
    const { clock } = this.#parts;
    const startMs = clock.monotonic();
    const ask: Ask = { source: this.id.id, index: piece.index, atMs: startMs, signal, ended: false };
    this.asks.push(ask);
    this.onAsk(ask);
    try {
      await this.#send(piece, onBytes, signal);
      return { bytes: piece.length, ms: clock.monotonic() - startMs };
    } finally {
      ask.ended = true;
    }
  }

  async #send(piece: Piece, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const { latencyMs, bytesPerSecond, reportsOnlyTheEnd } = this.behaviour;
    if (!this.availability.has(piece.index)) throw new ShoalError('source-lied', 'it does not have the piece');
    const fate = this.#fate();
    await clock.sleep(latencyMs, signal);
    if (fate === 'busy') throw new ShoalError('source-busy', 'not now');
    if (fate === 'stall') await this.#hang(signal);
    const steps = fate === 'lie' ? 2 : 4;
    for (let step = 0; step < steps; step += 1) {
      if (this.#silent()) await this.#hang(signal);
      if (this.#gone()) throw new ShoalError('source-gone', 'connection reset');
      const bytes = Math.floor(((step + 1) * piece.length) / 4) - Math.floor((step * piece.length) / 4);
      this.#freeAtMs = Math.max(this.#freeAtMs, clock.monotonic()) + (bytes / bytesPerSecond) * 1000;
      await clock.sleep(this.#freeAtMs - clock.monotonic(), signal);
      if (reportsOnlyTheEnd !== true) onBytes(bytes);
    }
    if (fate === 'lie') throw new ShoalError('source-lied', 'half of the piece is missing');
    if (fate === 'corrupt') throw new ShoalError('piece-corrupt', 'BLAKE3 differs');
  }

  #fate(): 'fine' | 'corrupt' | 'lie' | 'busy' | 'stall' {
    const { corrupt = 0, lies = 0, busy = 0, stalls = 0 } = this.behaviour;
    const { random } = this.#parts;
    if (random() < corrupt) return 'corrupt';
    if (random() < lies) return 'lie';
    if (random() < busy) return 'busy';
    return random() < stalls ? 'stall' : 'fine';
  }

  #hang(signal: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      if (this.behaviour.deaf === true) return;
      const onAbort = (): void => reject(new DOMException('aborted', 'AbortError'));
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #gone(): boolean {
    return this.#between(this.behaviour.goneFromMs, this.behaviour.goneUntilMs);
  }

  #silent(): boolean {
    return this.#between(this.behaviour.silentFromMs, this.behaviour.silentUntilMs);
  }

  #between(fromMs = Infinity, untilMs = Infinity): boolean {
    const nowMs = this.#parts.clock.monotonic();
    return nowMs >= fromMs && nowMs < untilMs;
  }
}
