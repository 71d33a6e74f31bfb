import type { PickSource } from './picker.ts';
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

/** A download's sessions as the picker sees them: those that can be used now, and how much each takes. */
export function askableSources(sessions: readonly SourceSession[], conditions: AskingConditions): PickSource[] {
  const { nowMs, pieceSizeBytes, totalBytes } = conditions;
  const downloadPieces = sessions.reduce((sum, session) => sum + session.line.size, 0);
  const peersPending = sessions.some((session) => session.id.kind === 'peer' && session.isPromising(nowMs));
  const peerPieces = sessions.reduce((sum, { id, line }) => sum + (id.kind === 'peer' ? line.size : 0), 0);
  const peerRoom = Math.max(0, peersWindow(sessions, conditions) - peerPieces);
  const sources: PickSource[] = [];
  for (const session of sessions) {
    const { availability, key } = session;
    const { kind } = session.id;
    const window = session.window(nowMs);
    if (availability === undefined || window === 0) continue;
    const allowed = kind === 'peer' || (!peersPending && conditions.originGranted());
    const inFlight = { pieces: session.line.size, downloadPieces, totalBytes };
    sources.push({
      key,
      kind,
      room: allowed ? Math.min(roomOf(window, inFlight, pieceSizeBytes), kind === 'peer' ? peerRoom : Infinity) : 0,
      idle: session.line.size === 0,
      expectedMs: session.line.expectedMs(pieceSizeBytes, nowMs),
      has: (index) => availability.complete || availability.has(index),
    });
  }
  return sources;
}

/** For all peers together, by what they give together and by the nearest of them: the others' time includes their queues. */
function peersWindow(sessions: readonly SourceSession[], { nowMs, pieceSizeBytes }: AskingConditions): number {
  let bytesPerSecond = 0;
  let roundTripMs: number | undefined;
  for (const { id, line } of sessions) {
    if (id.kind !== 'peer') continue;
    const pace = line.pace(nowMs);
    if (pace.roundTripMs === undefined) continue;
    bytesPerSecond += line.bytesPerSecond(nowMs);
    roundTripMs = Math.min(roundTripMs ?? Infinity, pace.roundTripMs);
  }
  return peerWindowOf({ bytesPerSecond, roundTripMs }, pieceSizeBytes);
}
