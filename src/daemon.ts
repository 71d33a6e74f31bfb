import { once } from 'node:events';
import { type DaemonConfig, systemdSettings } from './config.ts';
import { startParts } from './daemon-parts.ts';
import type { DataPlane } from './transfer/data-plane.ts';
import { Lifecycle } from './util/lifecycle.ts';
import { createLog, type Log } from './util/log.ts';
import { SystemdNotifier } from './util/systemd.ts';

/** All is saved long before; what still hangs then is not waited for. */
const CLOSE_DEADLINE_MS = 4_000;

/**
 * Runs a daemon until SIGINT or SIGTERM, then closes it; returns the exit code.
 * @throws ShoalError when it cannot start: `conflict` for an address or a directory in use, `invalid`
 */
export async function runDaemon(config: DaemonConfig): Promise<number> {
  const log = createLog({ level: config.logLevel, node: config.name });
  for (const warning of config.warnings) log.warn({ warning }, 'configuration');
  const lifecycle = new Lifecycle({ log });
  const systemd = new SystemdNotifier(systemdSettings(), { log });
  const stop = (signal: NodeJS.Signals): void => {
    if (lifecycle.signal.aborted) process.exit(130);
    log.info({ signal }, 'stopping');
    lifecycle.stop();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  let plane: DataPlane | undefined;
  try {
    ({ plane } = await startParts(config, { lifecycle, log, systemd }));
  } catch (error) {
    lifecycle.stop();
    await finish(lifecycle, log);
    throw error;
  }
  // A signal may have come while the parts were still starting.
  if (!lifecycle.signal.aborted) await once(lifecycle.signal, 'abort');
  await systemd.stopping();
  const failed = await finish(lifecycle, log);
  process.off('SIGINT', stop).off('SIGTERM', stop);
  log.info({}, 'ended');
  // A thread inside a system call on a dead mount cannot be joined, and an ordinary exit would wait for it for ever. Dying
  // of SIGTERM, whose handler is off by now, is a clean end for systemd.
  if (plane.hung) process.kill(process.pid, 'SIGTERM');
  return failed ? 1 : 0;
}

/** Returns whether a loop had failed. */
async function finish(lifecycle: Lifecycle, log: Log): Promise<boolean> {
  const late = setTimeout(() => {
    log.warn({ ms: CLOSE_DEADLINE_MS }, 'closing takes too long, the process ends now');
    process.kill(process.pid, 'SIGKILL');
  }, CLOSE_DEADLINE_MS);
  try {
    await lifecycle.finished();
    return false;
  } catch (error) {
    log.error({ err: error }, 'the daemon has failed');
    return true;
  } finally {
    clearTimeout(late);
  }
}
