import type { Clock } from './clock.ts';
import { ShoalError } from './errors.ts';

/**
 * Signs of life of the daemon's own loops, for the watchdog: a loop says beforehand how long one turn may take and beats
 * once a turn. A timer alone would only show that the event loop turns, not that anybody still does the work.
 */
export class Vitals {
  readonly #clock: Clock;
  readonly #loops = new Map<string, { withinMs: number; beatMs: number }>();

  constructor(parts: { clock: Clock }) {
    this.#clock = parts.clock;
  }

  /** Returns what the loop calls once a turn, and `end` for when it has ended on purpose. */
  watch(name: string, withinMs: number): { beat: () => void; end: () => void } {
    const loop = { withinMs, beatMs: this.#clock.monotonic() };
    this.#loops.set(name, loop);
    return {
      beat: () => {
        loop.beatMs = this.#clock.monotonic();
      },
      end: () => this.#loops.delete(name),
    };
  }

  /** Names of the loops whose last beat is longer ago than they said. */
  silent(): string[] {
    const now = this.#clock.monotonic();
    return [...this.#loops].filter(([, loop]) => now - loop.beatMs > loop.withinMs).map(([name]) => name);
  }

  /** @throws ShoalError `internal` when a loop is silent */
  assertAlive(): void {
    const silent = this.silent();
    if (silent.length > 0) throw new ShoalError('internal', `no sign of life from: ${silent.join(', ')}`);
  }
}
