/** From here on a number of milliseconds is a time since the epoch (10¹¹: March 1973), below it one from now on (three years). */
export const EPOCH_TIMES_FROM_MS = 1e11;

export const EPOCH_TIMES_SAY = 'milliseconds from now, or, from 10¹¹ on, since the epoch';

/** Some say how long it may still be, others until when. */
export function timeGiven(ms: number, nowMs: number): number {
  return ms < EPOCH_TIMES_FROM_MS ? nowMs + ms : ms;
}
