import { Worker } from 'node:worker_threads';
import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { BufferPool } from './buffer-pool.ts';
import type {
  Control,
  Fact,
  LaneCredentials,
  Order,
  PartialPlace,
  Question,
  ResultOf,
  TaskFact,
  TaskKind,
  TaskOrder,
} from './data-orders.ts';
import { failureOf, revive } from './failure.ts';
import { Outbox } from './outbox.ts';
import type { GateTable, WriteGate } from './write-gate.ts';

const TERMINATE_MS = 500;
/** A cancelled task ends at its next step; when it has not by then, a system call holds the thread. */
const CANCEL_MS = 1000;

export interface Task<K extends TaskKind> {
  readonly ended: Promise<ResultOf<K>>;
  control(control: Control, transfer?: readonly ArrayBuffer[]): void;
  /** The task ends soon; `ended` then rejects with something that nobody needs to see. */
  cancel(): void;
}

interface Running {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
  readonly onFact: (fact: TaskFact) => void;
  cancelledMs: number | undefined;
  lentBuffers: number;
}

export interface WorkerThreadOptions {
  readonly name: string;
  readonly blake3: 'native' | 'wasm';
  readonly lane?: LaneCredentials | undefined;
}

export interface WorkerThreadParts {
  readonly log: Log;
  readonly pool: BufferPool;
  readonly gates: GateTable;
  /** Answers what the worker asks. */
  readonly answer: (question: Question, thread: WorkerThread) => Promise<unknown>;
}

/** One worker of the data plane, from the main thread. Spawned when first needed, and anew after it has crashed. */
export class WorkerThread {
  readonly name: string;
  readonly #options: WorkerThreadOptions;
  readonly #log: Log;
  readonly #pool: BufferPool;
  readonly #gates: GateTable;
  readonly #answer: WorkerThreadParts['answer'];
  readonly #running = new Map<number, Running>();
  readonly #openBlobs = new Set<number>();
  #openGates = new Set<WriteGate>();
  #worker: Worker | undefined;
  #outbox = new Outbox<Order>(() => undefined);
  #nextTask = 1;
  #closed = false;
  #lastFactMs = 0;

  constructor(options: WorkerThreadOptions, parts: WorkerThreadParts) {
    this.name = options.name;
    this.#options = options;
    this.#log = parts.log;
    this.#pool = parts.pool;
    this.#gates = parts.gates;
    this.#answer = parts.answer;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Tasks that have not ended. */
  get load(): number {
    return this.#running.size;
  }

  /** A system call has held the thread for so long that a cancelled task could not end. */
  get hung(): boolean {
    const now = performance.now();
    for (const { cancelledMs } of this.#running.values()) {
      if (cancelledMs !== undefined && now - Math.max(cancelledMs, this.#lastFactMs) > CANCEL_MS) return true;
    }
    return false;
  }

  start<K extends TaskKind>(
    order: Extract<TaskOrder, { kind: K }>,
    onFact: (fact: TaskFact) => void = () => undefined,
  ): Task<K> {
    this.#spawned();
    const task = this.#nextTask;
    this.#nextTask += 1;
    const ended = new Promise<ResultOf<K>>((resolve, reject) => {
      const running = { resolve: resolve as (result: never) => void, reject, onFact };
      this.#running.set(task, { ...running, cancelledMs: undefined, lentBuffers: 0 });
    });
    // Whoever gave up on the task does not look at how it ends.
    ended.catch(() => undefined);
    this.#outbox.put({ kind: 'start', task, order });
    return {
      ended,
      control: (control, transfer = []) => this.#control(task, control, transfer),
      cancel: () => {
        const running = this.#running.get(task);
        if (running === undefined || running.cancelledMs !== undefined) return;
        running.cancelledMs = performance.now();
        this.#control(task, { kind: 'cancel' }, []);
      },
    };
  }

  /** For a task of this thread; nobody waits for it any more when the thread has ended in the middle of a write. */
  openGate(): WriteGate {
    const open = this.#openGates;
    const gate = this.#gates.open(() => open.delete(gate));
    open.add(gate);
    return gate;
  }

  openBlob(blob: number, partial: PartialPlace): void {
    this.#spawned();
    if (this.#openBlobs.has(blob)) return;
    this.#openBlobs.add(blob);
    this.#outbox.put({ kind: 'open-blob', blob, partial });
  }

  closeBlob(blob: number): void {
    if (this.#openBlobs.delete(blob)) this.#outbox.put({ kind: 'close-blob', blob });
  }

  /** False when a system call holds the thread, so that it cannot end before that returns: it is not waited for. */
  async close(): Promise<boolean> {
    this.#closed = true;
    const worker = this.#worker;
    if (worker === undefined) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), TERMINATE_MS);
    });
    const ended = await Promise.race([worker.terminate().then(() => true), late]);
    clearTimeout(timer);
    if (!ended) worker.unref();
    this.#lose(new ShoalError('source-gone', 'the data plane is closed'));
    return ended;
  }

  #control(task: number, control: Control, transfer: readonly ArrayBuffer[]): void {
    const running = this.#running.get(task);
    if (this.#worker === undefined || running === undefined) {
      if (control.kind === 'chunk') this.#pool.release(control.buffer);
      return;
    }
    if (control.kind === 'chunk') {
      running.lentBuffers += 1;
      this.#pool.handedOver();
    }
    this.#outbox.put({ kind: 'control', task, control }, transfer);
  }

  #spawned(): void {
    if (this.#closed) throw new ShoalError('source-gone', 'the data plane is closed');
    if (this.#worker !== undefined) return;
    const worker = new Worker(new URL('./worker/data-worker.ts', import.meta.url), {
      name: this.name,
      workerData: { blake3: this.#options.blake3, lane: this.#options.lane, gates: this.#gates.memory },
      // Bytes live outside the heap; a small one is collected often and cheaply, and keeps the process small.
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 512 },
    });
    worker.on('message', (facts: readonly Fact[]) => {
      this.#lastFactMs = performance.now();
      for (const fact of facts) this.#take(fact);
    });
    worker.on('error', (error) => {
      this.#log.error({ err: error, worker: this.name }, 'data worker failed, its tasks are lost');
      this.#forget(worker);
    });
    const gates = this.#openGates;
    worker.on('exit', () => {
      // Not before: what is in the pool of the process is waited for, also when the thread fails.
      for (const gate of gates) gate.abandon();
      this.#forget(worker);
    });
    this.#worker = worker;
    this.#outbox = new Outbox<Order>((orders, transfer) => worker.postMessage(orders, transfer));
  }

  #take(fact: Fact): void {
    if (fact.kind === 'ask') {
      void this.#reply(fact.ask, fact.question);
      return;
    }
    const running = this.#running.get(fact.task);
    switch (fact.kind) {
      case 'fact':
        if (fact.fact.kind === 'consumed') {
          if (running !== undefined) running.lentBuffers -= 1;
          this.#pool.cameBack(fact.fact.buffer);
        }
        running?.onFact(fact.fact);
        return;
      case 'done':
        this.#running.delete(fact.task);
        running?.resolve(fact.result as never);
        return;
      case 'failed':
        this.#running.delete(fact.task);
        running?.reject(revive(fact.failure));
        return;
    }
  }

  async #reply(ask: number, question: Question): Promise<void> {
    // Of this worker: one that has taken its place has not asked.
    const outbox = this.#outbox;
    try {
      outbox.put({ kind: 'answer', ask, answer: await this.#answer(question, this) });
    } catch (error) {
      outbox.put({ kind: 'no-answer', ask, failure: failureOf(error) });
    }
  }

  #forget(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#openBlobs.clear();
    this.#openGates = new Set();
    this.#outbox = new Outbox<Order>(() => undefined);
    this.#lose(new ShoalError('internal', `data worker ${this.name} ended unexpectedly`));
  }

  #lose(error: Error): void {
    for (const [task, running] of this.#running) {
      this.#running.delete(task);
      this.#pool.lost(running.lentBuffers);
      running.reject(error);
    }
  }
}
