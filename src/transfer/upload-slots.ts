import { ShoalError } from '../util/errors.ts';

/** A peer that waits longer for its turn would take us for stalled: better tell it. */
const WAIT_MS = 1500;

/** A bounded number of pieces is sent at a time; whoever waits longest is next, one piece a turn, so nobody starves. */
export class UploadSlots {
  readonly #size: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(options: { readonly slots: number }) {
    this.#size = options.slots;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Returns the function that gives the slot back. @throws ShoalError `source-busy` when none is free in time */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#taken < this.#size) this.#taken += 1;
    else await this.#turn(signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken -= 1;
      else next();
    };
  }

  async #turn(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        const place = this.#waiting.indexOf(onTurn);
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
      this.#waiting.push(onTurn);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
