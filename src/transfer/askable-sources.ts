import type { PickSource } from './picker.ts';
import type { Availability } from './piece-source.ts';
import type { SourceSession } from './source-session.ts';
import { peerWindowOf, roomOf } from './window.ts';

export interface AskingConditions {
  readonly nowMs: number;
  readonly pieceSizeBytes: number;
  /** In flight in all downloads. */
  readonly totalBytes: number;
  /** Whether the limit on origins lets one more piece be asked for; looked at only when there is an origin to ask. */
  readonly originGranted: () => boolean;
}

interface Askable {
  readonly session: SourceSession;
  readonly availability: Availability;
  readonly window: number;
}

/** A download's sessions as the picker sees them: those that can be used now, and how much each takes. */
export function askableSources(sessions: Iterable<SourceSession>, conditions: AskingConditions): PickSource[] {
  const { nowMs, pieceSizeBytes, totalBytes } = conditions;
  const askable: Askable[] = [];
  let downloadPieces = 0;
  let peerPieces = 0;
  let peersPending = false;
  let peerBytesPerSecond = 0;
  let nearestMs: number | undefined;
  for (const session of sessions) {
    const { availability, line } = session;
    const isPeer = session.id.kind === 'peer';
    downloadPieces += line.size;
    if (isPeer) peerPieces += line.size;
    const window = session.window(nowMs);
    if (availability !== undefined && window > 0) askable.push({ session, availability, window });
    if (!isPeer) continue;
    peersPending ||= session.isPromising(nowMs);
    const { roundTripMs } = line.pace(nowMs);
    if (roundTripMs === undefined) continue;
    peerBytesPerSecond += line.bytesPerSecond(nowMs);
    // The nearest of them: the time of the others includes their queues.
    nearestMs = Math.min(nearestMs ?? Infinity, roundTripMs);
  }
  const together = { bytesPerSecond: peerBytesPerSecond, roundTripMs: nearestMs };
  const peerRoom = Math.max(0, peerWindowOf(together, pieceSizeBytes) - peerPieces);
  return askable.map(({ session, availability, window }) => {
    const { kind } = session.id;
    const allowed = kind === 'peer' || (!peersPending && conditions.originGranted());
    const inFlight = { pieces: session.line.size, downloadPieces, totalBytes };
    const room = allowed ? roomOf(window, inFlight, pieceSizeBytes) : 0;
    return {
      key: session.key,
      kind,
      room: kind === 'peer' ? Math.min(room, peerRoom) : room,
      idle: session.line.size === 0,
      expectedMs: session.line.expectedMs(pieceSizeBytes, nowMs),
      has: (index) => availability.complete || availability.has(index),
    };
  });
}
