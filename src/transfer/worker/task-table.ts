import type { Control, Fact, Failure, TaskFact } from '../data-orders.ts';
import type { Outbox } from '../outbox.ts';
import type { TaskContext } from './task.ts';

/**
 * With so many others still running, the end of one is told together with the next: at 300 MiB/s pieces end every three
 * milliseconds, and each waking of the main thread asks for one more. With fewer, the line would stand idle meanwhile.
 */
const ENOUGH_RUNNING = 6;

interface Running {
  readonly controller: AbortController;
  readonly early: Control[];
  listener: ((control: Control) => void) | undefined;
}

/** The tasks a worker is running, by number. Every task that was started ends with exactly one fact. */
export class TaskTable {
  readonly #running = new Map<number, Running>();
  readonly #outbox: Outbox<Fact>;

  constructor(outbox: Outbox<Fact>) {
    this.#outbox = outbox;
  }

  async start(
    task: number,
    work: (context: TaskContext) => Promise<unknown>,
    failureOf: (error: unknown) => Failure,
  ): Promise<void> {
    const running: Running = { controller: new AbortController(), early: [], listener: undefined };
    this.#running.set(task, running);
    const context: TaskContext = {
      signal: running.controller.signal,
      tell: (fact, transfer = []) => this.#tell(task, fact, transfer),
      soon: (fact) => this.#outbox.soon({ kind: 'fact', task, fact }),
      mention: (fact) => this.#outbox.mention({ kind: 'fact', task, fact }),
      onControl: (listener) => {
        running.listener = listener;
        for (const control of running.early.splice(0)) listener(control);
      },
    };
    try {
      const result = await work(context);
      this.#end(task, running, { kind: 'done', task, result });
    } catch (error) {
      this.#end(task, running, { kind: 'failed', task, failure: failureOf(error) });
    }
  }

  control(task: number, control: Control): void {
    const running = this.#running.get(task);
    if (control.kind === 'cancel') {
      running?.controller.abort(new DOMException('the task is no longer wanted', 'AbortError'));
    } else if (running === undefined) this.#giveBack(task, control);
    else if (running.listener === undefined) running.early.push(control);
    else running.listener(control);
  }

  #end(task: number, running: Running, fact: Fact): void {
    this.#running.delete(task);
    for (const control of running.early) this.#giveBack(task, control);
    if (fact.kind === 'done' && this.#running.size >= ENOUGH_RUNNING) this.#outbox.soon(fact);
    else this.#outbox.put(fact);
  }

  /** A chunk of a task that has ended: its buffer must not be lost. */
  #giveBack(task: number, control: Control): void {
    if (control.kind === 'chunk') this.#tell(task, { kind: 'consumed', buffer: control.buffer }, [control.buffer]);
  }

  #tell(task: number, fact: TaskFact, transfer: readonly ArrayBuffer[]): void {
    this.#outbox.put({ kind: 'fact', task, fact }, transfer);
  }
}
