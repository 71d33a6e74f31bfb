import { readFileSync } from 'node:fs';

/** How busy all cores were between two moments, this program or any other. */
export class MachineLoad {
  readonly #before = ticks();

  /** 0 to 1, since it was made. */
  busy(): number {
    const now = ticks();
    return 1 - (now.idle - this.#before.idle) / Math.max(1, now.all - this.#before.all);
  }
}

function ticks(): { idle: number; all: number } {
  const [first = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const counts = first.split(/\s+/).slice(1, 9).map(Number);
  // user, nice, system, idle, iowait, irq, softirq, steal
  return { idle: (counts[3] ?? 0) + (counts[4] ?? 0), all: counts.reduce((sum, count) => sum + count, 0) };
}
