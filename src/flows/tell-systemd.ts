import type { Clock } from '../util/clock.ts';
import type { SystemdNotifier } from '../util/systemd.ts';

/** A process is started for each change of the line. */
const STATUS_PERIOD_MS = 10_000;

/** The line that `systemctl status` shows: what is here, what is on its way, who else is there. */
export async function tellSystemd(
  parts: {
    readonly systemd: SystemdNotifier;
    readonly counts: () => { readonly installed: number; readonly fetching: number; readonly queued: number };
    readonly peers: () => number;
    readonly clock: Clock;
  },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { installed, fetching, queued } = parts.counts();
    await parts.systemd.status(`${installed} models here, ${fetching + queued} on their way, ${parts.peers()} peers`);
    await parts.clock.sleep(STATUS_PERIOD_MS, signal);
  }
}
