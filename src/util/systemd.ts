import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { withDeadline } from './deadline.ts';
import { isAbort, messageOf } from './errors.ts';
import type { Log } from './log.ts';

const NOTIFY_DEADLINE_MS = 5_000;

export interface SystemdOptions {
  /** `NOTIFY_SOCKET`; without it nothing is ever sent. */
  readonly socket: string | undefined;
  /** `WATCHDOG_USEC` in milliseconds; without it no watchdog runs. */
  readonly watchdogMs?: number | undefined;
  readonly command?: string;
}

/**
 * Tells systemd how the daemon fares, through `systemd-notify`, because Node has no Unix datagram sockets (so the unit
 * needs `NotifyAccess=all`). Messages go out one after the other; a message that cannot be sent never fails the daemon.
 */
export class SystemdNotifier {
  readonly #options: SystemdOptions;
  readonly #log: Log;
  #last: Promise<void> = Promise.resolve();
  #status = '';
  #warned = false;

  constructor(options: SystemdOptions, parts: { log: Log }) {
    this.#options = options;
    this.#log = parts.log;
  }

  ready(): Promise<void> {
    return this.#send('READY=1');
  }

  stopping(): Promise<void> {
    return this.#send('STOPPING=1');
  }

  /** One line for `systemctl status`; the same text is sent once. */
  async status(text: string): Promise<void> {
    const line = text.replaceAll(/\s+/g, ' ').trim();
    if (line === this.#status) return;
    this.#status = line;
    await this.#send(`STATUS=${line}`);
  }

  /**
   * Sends `WATCHDOG=1` at half of the interval for as long as `probe` resolves within it. That this runs at all shows
   * that the event loop turns; the probe shows that the daemon's own loops do. When it fails, nothing is sent, and
   * systemd restarts the daemon at the end of its interval.
   */
  async watchdog(probe: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { socket, watchdogMs } = this.#options;
    if (socket === undefined || watchdogMs === undefined) return;
    const periodMs = watchdogMs / 2;
    for (;;) {
      const startedMs = performance.now();
      try {
        await withDeadline(periodMs, probe, signal);
        await this.#send('WATCHDOG=1');
      } catch (error) {
        if (signal.aborted) return;
        const why = isAbort(error) ? `no sign of life within ${periodMs} ms` : messageOf(error);
        this.#log.error({ why, watchdogMs }, 'the watchdog is not fed: part of the daemon hangs');
      }
      if (!(await rest(Math.max(0, periodMs - (performance.now() - startedMs)), signal))) return;
    }
  }

  #send(message: string): Promise<void> {
    const { socket, command = 'systemd-notify' } = this.#options;
    if (socket === undefined) return Promise.resolve();
    this.#last = this.#last.then(async () => {
      try {
        await promisify(execFile)(command, [message], {
          env: { NOTIFY_SOCKET: socket },
          timeout: NOTIFY_DEADLINE_MS,
        });
      } catch (error) {
        const level = this.#warned ? 'debug' : 'warn';
        this.#warned = true;
        const remedy = 'Install systemd-notify (package systemd), or use Type=exec without a watchdog.';
        this.#log[level]({ err: error, notification: message, remedy }, 'systemd could not be told');
      }
    });
    return this.#last;
  }
}

/** What systemd put into the environment; the watchdog only if it is meant for this process. */
export function systemdOptions(environment: Readonly<Record<string, string | undefined>>, pid: number): SystemdOptions {
  const socket = environment['NOTIFY_SOCKET'] || undefined;
  const watchdogUs = Number(environment['WATCHDOG_USEC']);
  const watchdogPid = environment['WATCHDOG_PID'];
  const ours = watchdogPid === undefined || watchdogPid === '' || Number(watchdogPid) === pid;
  return { socket, watchdogMs: ours && watchdogUs > 0 ? watchdogUs / 1000 : undefined };
}

/** False when the signal fired meanwhile or before. */
async function rest(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
