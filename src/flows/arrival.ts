import { RateMeter } from '../transfer/pace.ts';

/** Long enough to even out how pieces come in, short enough to follow a link that others begin to use. */
const TAU_MS = 8_000;
/** What came in less time than this says nothing about what is still to come. */
const MEASURED_AFTER_MS = 1_000;
const STALLED_AFTER_MS = 3_000;

/**
 * When the rest of something will be here, by how fast it came lately: all sources together and all waiting included, so a
 * cap or a queue counts as it does. No answer is given while nothing has been measured or nothing moves.
 */
export class Arrival {
  readonly #rate = new RateMeter(TAU_MS);
  #bytes: number | undefined;
  #startMs = 0;
  #movedMs = 0;

  /** @param fetchedBytes that have come over the wire since the beginning; what was there before is no measure */
  sample(fetchedBytes: number, nowMs: number): void {
    const before = this.#bytes;
    this.#bytes = fetchedBytes;
    if (before === undefined) return;
    const came = fetchedBytes - before;
    // Less than before: it was begun anew.
    if (came <= 0) return;
    if (this.#startMs === 0) {
      // The time before the first byte was for finding sources, not for bytes.
      this.#startMs = nowMs;
      this.#movedMs = nowMs;
      this.#rate.start(nowMs);
      return;
    }
    this.#movedMs = nowMs;
    this.#rate.add(came, nowMs);
  }

  /** 0 while nothing is measured or nothing moves. */
  bytesPerSecond(nowMs: number): number {
    const isMeasured = this.#startMs > 0 && nowMs - this.#startMs >= MEASURED_AFTER_MS;
    if (!isMeasured || nowMs - this.#movedMs > STALLED_AFTER_MS) return 0;
    return this.#rate.bytesPerSecond(nowMs);
  }

  etaMs(missingBytes: number, nowMs: number): number | undefined {
    const rate = this.bytesPerSecond(nowMs);
    return rate >= 1 ? (missingBytes / rate) * 1000 : undefined;
  }
}
