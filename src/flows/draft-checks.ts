import { pieceHash } from '../content/manifest.ts';
import { geometryOf, type PieceGeometry, pieceLength, pieceOffset } from '../content/piece-geometry.ts';
import type { RateLimiter } from '../transfer/bandwidth.ts';
import type { GrowingManifest } from '../transfer/growing-manifest.ts';
import type { MountedDraft } from '../transfer/mounted-draft.ts';
import type { TransferMetrics } from '../transfer/transfer-metrics.ts';
import type { Clock } from '../util/clock.ts';
import { codeOf, messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import { Wake } from '../util/wake.ts';

export interface DraftChecksOptions {
  readonly growing: GrowingManifest;
  readonly self: string;
  /** The piece on this node's own mount has another hash than the one that is taken. */
  readonly onLie: (index: number) => void;
  readonly onChanged: (error: unknown) => void;
}

export interface DraftChecksParts {
  readonly mount: Pick<MountedDraft, 'hash'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: TransferMetrics;
  readonly limiter?: RateLimiter | undefined;
  readonly log: Log;
}

/** One in so many pieces is drawn, within bounds: reading them again must cost the origin little. */
const PIECES_PER_CHECK = 256;
const MIN_CHECKS = 2;
const MAX_CHECKS = 4;
const RETRY_MS = 2_000;
const IDLE_LOOK_MS = 1_000;
const SETTLE_LOOK_MS = 50;

/**
 * Nobody has the digest of a draft, so a reader could tell the hashes of anything. What can be held against it is the
 * file itself: of what others have read, this node reads some pieces again from its own mount. Which ones it draws at the
 * start and tells nobody; one of the first that each reader tells is always among them.
 */
export class DraftChecks {
  readonly #options: DraftChecksOptions;
  readonly #parts: DraftChecksParts;
  readonly #geometry: PieceGeometry;
  readonly #drawn = new Set<number>();
  /** Readers of whose pieces some was right. */
  readonly #right = new Set<string>();
  readonly #met = new Set<string>();
  readonly #queue: number[] = [];
  readonly #wake = new Wake();

  constructor(options: DraftChecksOptions, parts: DraftChecksParts) {
    this.#options = options;
    this.#parts = parts;
    this.#geometry = geometryOf(options.growing.draft.sizeBytes);
    const { pieceCount } = this.#geometry;
    const wanted = Math.min(MAX_CHECKS, Math.max(MIN_CHECKS, Math.floor(pieceCount / PIECES_PER_CHECK)), pieceCount);
    while (this.#drawn.size < wanted) this.#drawn.add(Math.floor(parts.random() * pieceCount));
  }

  /** More hashes are known. */
  added(indices: readonly number[]): void {
    const { growing, self } = this.#options;
    const fresh = new Map<string, number[]>();
    for (const index of indices) {
      const reader = growing.readerOf(index);
      if (reader === undefined || reader === self) continue;
      if (this.#drawn.has(index)) this.#queue.push(index);
      if (!this.#met.has(reader)) fresh.set(reader, [...(fresh.get(reader) ?? []), index]);
    }
    for (const [reader, told] of fresh) {
      this.#met.add(reader);
      const index = told[Math.floor(this.#parts.random() * told.length)];
      if (index !== undefined && !this.#queue.includes(index)) this.#queue.unshift(index);
    }
    this.#wake.notify();
  }

  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      const [index] = this.#queue;
      if (index === undefined) await this.#wake.wait(IDLE_LOOK_MS, signal);
      else if (await this.#check(index, signal)) this.#queue.splice(this.#queue.indexOf(index), 1);
      else await this.#parts.clock.sleep(RETRY_MS, signal);
    }
  }

  /** Resolves when all that was drawn has been looked at. */
  async settled(signal: AbortSignal): Promise<void> {
    while (this.#queue.length > 0) await this.#parts.clock.sleep(SETTLE_LOOK_MS, signal);
  }

  /** The hash of a piece as this node's own mount has it. @throws ShoalError as `MountedDraft.hash` */
  async hash(index: number, signal: AbortSignal): Promise<Uint8Array> {
    const piece = { offset: pieceOffset(this.#geometry, index), length: pieceLength(this.#geometry, index) };
    await this.#parts.limiter?.take(piece.length, signal);
    const hash = await this.#parts.mount.hash(piece, signal);
    this.#parts.metrics.receivedBytes.inc({ source: 'origin' }, piece.length);
    return hash;
  }

  /** False when it has to be tried again. */
  async #check(index: number, signal: AbortSignal): Promise<boolean> {
    const { growing, onLie, onChanged } = this.#options;
    const reader = growing.readerOf(index) ?? '';
    try {
      const hash = await this.hash(index, signal);
      if (Buffer.compare(hash, pieceHash(growing.manifest, index)) === 0) this.#right.add(reader);
      else onLie(index);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (codeOf(error) === 'changed') onChanged(error);
      this.#parts.log.debug({ piece: index, problem: messageOf(error) }, 'piece could not be held against the mount');
      // An origin that is gone when it has given all must not keep anybody from finishing.
      return this.#right.has(reader);
    }
  }
}
