import { setTimeout as delay } from 'node:timers/promises';
import { ShoalError } from '../util/errors.ts';
import type { Availability } from './piece-source.ts';

/** A peer that no longer has a piece says so in its have map and its record: this long the news may take. */
const NEWS_MS = 1500;

/** A peer has refused a piece as not held: what that makes of it, once the news could have come. */
export async function judgeNotHeld(
  index: number,
  availability: Availability,
  closing: AbortSignal,
): Promise<ShoalError> {
  await delay(NEWS_MS, undefined, { signal: closing }).catch(() => undefined);
  if (closing.aborted || !availability.has(index)) {
    return new ShoalError('source-gone', 'the peer does not hold the piece any more');
  }
  return new ShoalError('source-lied', `the peer claims piece ${index} and does not give it`);
}
