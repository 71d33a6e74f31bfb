import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { type Answer, hasRefused, wasNeverSent } from './orchestrator-requests.ts';

/**
 * Orchestrators take a node for offline when they have not heard of it for 30 s, and look every 10 s: for so long after
 * the last heartbeat that they may have heard, they may believe what it said.
 */
export const BELIEVED_MS = 40_000;
/** An older state that is under way for longer is given up for a withdrawal that somebody waits for. */
const OVERTAKE_AFTER_MS = 150;

/**
 * What one orchestrator may believe of this node. It may have heard every heartbeat that was sent and not refused, also
 * those that were never answered; of an earlier run of this node it may know what that said last.
 */
export class ToldState {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #sending: AbortController | undefined;
  /** When it may have heard of us last; undefined when it knows of nothing. */
  #heardMs: number | undefined;

  constructor(parts: { readonly clock: Clock }) {
    this.#clock = parts.clock;
    this.#heardMs = parts.clock.monotonic();
  }

  /** Sends the state that `send` makes; it may be given up for a newer one. */
  async send(send: (signal: AbortSignal) => Promise<Answer>, signal: AbortSignal): Promise<Answer | 'overtaken'> {
    const { controller, release } = childController(signal);
    // Who waits now is answered by this document, who comes later by the next.
    const answered = [...this.#waiting];
    this.#sending = controller;
    let mayHaveHeard = true;
    try {
      const answer = await send(controller.signal);
      mayHaveHeard = !hasRefused(answer);
      if (answer.status === 200) for (const resolve of answered) resolve();
      return answer;
    } catch (error) {
      if (controller.signal.aborted && !signal.aborted) return 'overtaken';
      mayHaveHeard = !wasNeverSent(error);
      throw error;
    } finally {
      if (mayHaveHeard) this.#heardMs = this.#clock.monotonic();
      this.#sending = undefined;
      release();
    }
  }

  /** It has been told to forget this node. */
  forgotten(): void {
    this.#heardMs = undefined;
    for (const resolve of this.#waiting) resolve();
  }

  /** How long it may go on believing what it was told until now, if it hears nothing more; not positive: no longer. */
  believedMs(): number {
    if (this.#sending !== undefined) return OVERTAKE_AFTER_MS + BELIEVED_MS;
    return this.#heardMs === undefined ? 0 : this.#heardMs + BELIEVED_MS - this.#clock.monotonic();
  }

  /**
   * Waits until it has accepted a state made after this call (true), or can believe in no older one any more (false). An
   * older state that is under way and hangs is given up: it says what holds no longer.
   */
  async replaced(signal: AbortSignal): Promise<boolean> {
    const accepted = Promise.withResolvers<boolean>();
    const { controller, release } = childController(signal);
    const onAccepted = (): void => accepted.resolve(true);
    const older = this.#sending;
    this.#waiting.add(onAccepted);
    const overtake = this.#clock.sleep(OVERTAKE_AFTER_MS, controller.signal).then(() => {
      if (older !== undefined && this.#sending === older) older.abort(new DOMException('overtaken', 'AbortError'));
    });
    const tooLate = this.#clock.sleep(this.believedMs(), controller.signal).then(() => accepted.resolve(false));
    tooLate.catch((error: unknown) => accepted.reject(error));
    try {
      return await accepted.promise;
    } finally {
      this.#waiting.delete(onAccepted);
      release();
      controller.abort();
      await Promise.allSettled([overtake, tooLate]);
    }
  }
}
