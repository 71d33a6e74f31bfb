/**
 * Decides between threads whether one task may still write. The main thread closes the gate when a piece is cancelled or
 * superseded; once `close` has resolved, no byte of that task reaches the disk any more, even when its worker hangs in
 * a read of a dead mount and wakes up an hour later.
 */
const IDLE = 0;
const WRITING = 1;
const CLOSING = 2;
const CLOSED = 3;

export class WriteGate {
  readonly memory: SharedArrayBuffer;
  readonly #state: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.memory = memory;
    this.#state = new Int32Array(memory);
  }

  get closed(): boolean {
    return Atomics.load(this.#state, 0) >= CLOSING;
  }

  /** Runs a write if the gate is open; false, and nothing run, if it is closed. Worker side; `write` is synchronous. */
  pass(write: () => void): boolean {
    if (Atomics.compareExchange(this.#state, 0, IDLE, WRITING) !== IDLE) return false;
    try {
      write();
    } finally {
      if (Atomics.compareExchange(this.#state, 0, WRITING, IDLE) === CLOSING) {
        Atomics.store(this.#state, 0, CLOSED);
        Atomics.notify(this.#state, 0);
      }
    }
    return true;
  }

  /** Main side; waits only while a write is in progress, which is a write to the local disk. */
  async close(): Promise<void> {
    for (;;) {
      if (Atomics.compareExchange(this.#state, 0, IDLE, CLOSED) === IDLE) return;
      const state = Atomics.compareExchange(this.#state, 0, WRITING, CLOSING);
      if (state === CLOSED) return;
      if (state === IDLE) continue;
      const wait = Atomics.waitAsync(this.#state, 0, CLOSING, 1000);
      if (wait.async) await wait.value;
    }
  }
}
