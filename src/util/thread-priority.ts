import { getPriority, setPriority } from 'node:os';

/** A main thread that wants a core gets about three times the share of such a thread. */
const STEP = 5;
const LOWEST = 19;

/**
 * Call in a worker thread that moves or hashes bytes: on a machine whose cores are all busy the main thread, which answers
 * the API and sends heartbeats, then comes first. On Linux a priority belongs to a thread; elsewhere it would be that of the
 * whole process, so nothing is done there. Where a sandbox forbids it, nothing is either.
 */
export function giveWayToMainThread(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(0, Math.min(LOWEST, getPriority(0) + STEP));
  } catch {
    // Answers are later then, that is all.
  }
}
