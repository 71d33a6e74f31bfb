import { ShoalError } from '../../../util/errors.ts';
import type { LanePeer } from '../../data-orders.ts';
import type { ConnectLaneParts } from './connect-lane.ts';
import { LaneLine } from './lane-line.ts';

/** A lane that nobody uses stays open for the next blob. */
const IDLE_MS = 20_000;

/** One lane from this worker to each peer, shared by all blobs that are fetched from it. */
export class LaneLines {
  readonly #parts: ConnectLaneParts;
  readonly #lines = new Map<string, LaneLine>();
  readonly #opening = new Map<string, Promise<LaneLine>>();
  readonly #usedMs = new Map<string, number>();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(parts: ConnectLaneParts) {
    this.#parts = parts;
  }

  /** @throws ShoalError `source-gone`, `unauthorized` */
  async get(peer: LanePeer, signal: AbortSignal): Promise<LaneLine> {
    signal.throwIfAborted();
    const { peerId } = peer;
    this.#used(peerId);
    const line = this.#lines.get(peerId);
    if (line !== undefined && line.ended === undefined) {
      if (!line.stuck) return line;
      line.end(new ShoalError('source-gone', 'the lane was given up, what was asked for did not come'));
    }
    const underWay = this.#opening.get(peerId);
    if (underWay !== undefined) {
      // Whoever opens may give up; then this one opens its own.
      const shared = await underWay.catch(() => undefined);
      if (shared !== undefined && shared.ended === undefined) return shared;
      return await this.get(peer, signal);
    }
    const opening = this.#open(peer, signal);
    this.#opening.set(peerId, opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(peerId);
    }
  }

  async #open(peer: LanePeer, signal: AbortSignal): Promise<LaneLine> {
    const { peerId } = peer;
    const onClose = (line: LaneLine): void => {
      if (this.#lines.get(peerId) === line) this.#lines.delete(peerId);
    };
    const line = await LaneLine.open(peer, onClose, this.#parts, signal);
    this.#lines.set(peerId, line);
    return line;
  }

  #used(peerId: string): void {
    this.#usedMs.set(peerId, performance.now());
    this.#sweeper ??= setInterval(() => this.#sweep(), IDLE_MS / 2).unref();
  }

  #sweep(): void {
    const oldMs = performance.now() - IDLE_MS;
    for (const [peerId, usedMs] of this.#usedMs) {
      const line = this.#lines.get(peerId);
      if (usedMs > oldMs || line?.busy === true || this.#opening.has(peerId)) continue;
      line?.end(new ShoalError('source-gone', 'nobody uses the lane'));
      this.#usedMs.delete(peerId);
    }
    if (this.#usedMs.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}
