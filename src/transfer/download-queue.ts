import { childController } from '../util/deadline.ts';

/** Up to this size a blob is small (a LoRA, a config): it goes ahead of bulk and has a lane of its own. */
export const SMALL_BLOB_BYTES = 64 * 2 ** 20;

export interface Job {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly priority: 'normal' | 'high';
}

/** A running job's place. A job that is idle (stalled, disk full) makes room for another and may go on by itself. */
export interface Turn {
  setIdle(idle: boolean): void;
}

type Lane = 'small' | 'bulk';

interface Waiting {
  job: Job;
  readonly lane: Lane;
  readonly start: () => void;
}

interface Running {
  readonly job: Job;
  readonly lane: Lane;
  readonly stepAside: AbortController;
  idle: boolean;
}

/**
 * Bounds how many blobs are fetched at a time. Small blobs never wait for bulk: they have their own lane. Within a lane
 * high priority comes first, then who came first. Idle jobs keep no other from starting; when too many pile up, the one
 * that has been idle longest is aborted and queued again, so that a hundred models without a source take turns.
 */
export class DownloadQueue {
  readonly #max: Readonly<Record<Lane, number>>;
  readonly #maxIdle: number;
  readonly #waiting: Waiting[] = [];
  readonly #running = new Set<Running>();

  /** @param options.maxIdle jobs that may stay although they wait for a source or for room, beside the active ones */
  constructor(options: { readonly maxBulk: number; readonly maxSmall: number; readonly maxIdle: number }) {
    this.#max = { bulk: options.maxBulk, small: options.maxSmall };
    this.#maxIdle = options.maxIdle;
  }

  /** In the order in which they would start. */
  get waiting(): Job[] {
    return this.#waiting.toSorted(byPriority).map(({ job }) => job);
  }

  get active(): Job[] {
    return [...this.#running].map(({ job }) => job);
  }

  /** For a job that still waits; returns whether there is one. */
  setPriority(sha256: string, priority: Job['priority']): boolean {
    const found = this.#waiting.find(({ job }) => job.sha256 === sha256);
    if (found === undefined) return false;
    found.job = { ...found.job, priority };
    return true;
  }

  /**
   * Waits for its turn, then runs `work`; rejects with the signal's reason when it fires while waiting. `work` is run
   * again from the start after it had to step aside, so it must go on from what it has left on disk.
   */
  async run<T>(job: Job, work: (turn: Turn, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const lane = job.sizeBytes <= SMALL_BLOB_BYTES ? 'small' : 'bulk';
    for (;;) {
      const { controller, release } = childController(signal);
      const running = await this.#enter({ job, lane, stepAside: controller }, signal);
      try {
        return await work({ setIdle: (idle) => this.#setIdle(running, idle) }, controller.signal);
      } catch (error) {
        if (signal.aborted || !controller.signal.aborted) throw error;
      } finally {
        release();
        this.#running.delete(running);
        this.#startNext('small');
        this.#startNext('bulk');
      }
    }
  }

  #setIdle(running: Running, idle: boolean): void {
    if (running.idle === idle) return;
    running.idle = idle;
    // Last in the set is the one that became idle last.
    if (this.#running.delete(running)) this.#running.add(running);
    this.#startNext(running.lane);
  }

  async #enter(entry: Omit<Running, 'idle'>, signal: AbortSignal): Promise<Running> {
    const { job, lane } = entry;
    signal.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const start = (): void => {
        signal.removeEventListener('abort', onAbort);
        // Counted before anybody else looks for a place.
        const running = { ...entry, job: waiting.job, idle: false };
        this.#running.add(running);
        resolve(running);
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason as Error);
      };
      const waiting: Waiting = { job, lane, start };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      this.#startNext(lane);
    });
  }

  #startNext(lane: Lane): void {
    while (this.#activeIn(lane) < this.#max[lane]) {
      const next = this.#waiting.filter((waiting) => waiting.lane === lane).sort(byPriority)[0];
      if (next === undefined) return;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      next.start();
      this.#askOneAside();
    }
  }

  #activeIn(lane: Lane): number {
    let active = 0;
    for (const running of this.#running) active += running.lane === lane && !running.idle ? 1 : 0;
    return active;
  }

  #askOneAside(): void {
    const idle = [...this.#running].filter((running) => running.idle && !running.stepAside.signal.aborted);
    if (idle.length <= this.#maxIdle) return;
    idle[0]?.stepAside.abort(new DOMException('other downloads take their turn', 'AbortError'));
  }
}

/** Stable sorts keep the order of arrival. */
function byPriority(a: Waiting, b: Waiting): number {
  return rank(a) - rank(b);
}

function rank({ job, lane }: Waiting): number {
  return (job.priority === 'high' ? 0 : 2) + (lane === 'small' ? 0 : 1);
}
