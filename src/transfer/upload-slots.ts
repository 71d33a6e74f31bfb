import { ShoalError } from '../util/errors.ts';

/** A peer that waits longer for its turn would take us for stalled: better tell it. */
const WAIT_MS = 1500;

interface Waiting {
  readonly peerId: string;
  readonly onTurn: () => void;
}

/**
 * A bounded number of pieces is sent at a time, and of them to one peer, which may be one that takes nothing of what it
 * has asked for; of those that may, whoever waits longest is next, one piece a turn, so nobody starves.
 */
export class UploadSlots {
  readonly #size: number;
  readonly #perPeer: number;
  readonly #waiting: Waiting[] = [];
  readonly #held = new Map<string, number>();
  #taken = 0;

  constructor(options: { readonly slots: number; readonly perPeer: number }) {
    this.#size = options.slots;
    this.#perPeer = options.perPeer;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Returns the function that gives the slot back. @throws ShoalError `source-busy` when none is free in time */
  async take(peerId: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#isFree(peerId)) this.#count(peerId, 1);
    else await this.#turn(peerId, signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#count(peerId, -1);
      const next = this.#waiting.find((waiting) => this.#isFree(waiting.peerId));
      if (next === undefined) return;
      // Counted before anybody else looks for a place.
      this.#count(next.peerId, 1);
      next.onTurn();
    };
  }

  #isFree(peerId: string): boolean {
    return this.#taken < this.#size && (this.#held.get(peerId) ?? 0) < this.#perPeer;
  }

  #count(peerId: string, change: 1 | -1): void {
    const held = (this.#held.get(peerId) ?? 0) + change;
    this.#taken += change;
    if (held === 0) this.#held.delete(peerId);
    else this.#held.set(peerId, held);
  }

  async #turn(peerId: string, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        const place = this.#waiting.indexOf(waiting);
        if (place !== -1) this.#waiting.splice(place, 1);
      };
      const onTurn = (): void => {
        settle();
        resolve();
      };
      const onAbort = (): void => {
        settle();
        reject(signal.reason as Error);
      };
      const timer = setTimeout(() => {
        settle();
        reject(new ShoalError('source-busy', 'every upload slot is taken'));
      }, WAIT_MS);
      const waiting: Waiting = { peerId, onTurn };
      this.#waiting.push(waiting);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
