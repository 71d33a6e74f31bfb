import type { Clock } from '../util/clock.ts';
import { RateMeter } from './pace.ts';
import type { TransferMetrics } from './transfer-metrics.ts';

/** What a download has received, what of it counts, and how fast it goes. */
export class DownloadTally {
  readonly #clock: Clock;
  readonly #metrics: TransferMetrics;
  readonly #rate = new RateMeter(3000);
  #done: number;
  #received = 0;
  #wasted = 0;

  constructor(options: { readonly doneBytes: number }, parts: { readonly clock: Clock; metrics: TransferMetrics }) {
    this.#done = options.doneBytes;
    this.#clock = parts.clock;
    this.#metrics = parts.metrics;
  }

  /** Verified and on disk. */
  get doneBytes(): number {
    return this.#done;
  }

  get receivedBytes(): number {
    return this.#received;
  }

  /** Received in vain: wrong, lost to a cancel, or twice. */
  get wastedBytes(): number {
    return this.#wasted;
  }

  bytesPerSecond(): number {
    return this.#rate.bytesPerSecond(this.#clock.monotonic());
  }

  start(): void {
    this.#rate.start(this.#clock.monotonic());
  }

  received(bytes: number, from: 'peer' | 'origin'): void {
    this.#received += bytes;
    this.#rate.add(bytes, this.#clock.monotonic());
    this.#metrics.receivedBytes.inc({ source: from }, bytes);
  }

  done(bytes: number): void {
    this.#done += bytes;
  }

  wasted(bytes: number): void {
    this.#wasted += bytes;
    this.#metrics.refetchedBytes.inc(bytes);
  }

  /** A piece that had been given up arrived all the same. (The metric is a counter and cannot go back.) */
  notWasted(bytes: number): void {
    this.#wasted -= bytes;
  }
}
