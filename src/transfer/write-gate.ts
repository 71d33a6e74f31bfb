import { ShoalError } from '../util/errors.ts';

/**
 * Decides between threads whether one task may still write. The main thread closes the gate when a piece is cancelled or
 * superseded; once `close` has resolved, no byte of that task reaches the disk any more, even when its worker hangs in
 * a read of a dead mount and wakes up an hour later.
 */
const IDLE = 0;
const WRITING = 1;
const CLOSING = 2;
const CLOSED = 3;
/** Closed by its writer, who has done the last of what there was to do. */
const FINISHED = 4;
const STATE_BITS = 3;

/** Far more than pieces are ever in flight; untouched words take no memory. */
const GATES = 64 * 1024;

/** Names a gate to another thread. */
export interface GateKey {
  readonly slot: number;
  readonly generation: number;
}

/**
 * The gates of all tasks of a data plane, a word each of memory that every thread knows from its start: to share new memory
 * for each piece would cost more than to post the rest of its order. A word is used again by the next gate, in another
 * generation, so that whoever still holds the key of the last one finds it closed.
 */
export class GateTable {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #free: number[] = [];
  #opened = 0;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4 * GATES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Main side; everybody who opens a gate closes it. @param onClosed called once */
  open(onClosed: () => void = () => undefined): WriteGate {
    const slot = this.#free.pop() ?? this.#opened++;
    const last = this.#words[slot];
    if (last === undefined) throw new ShoalError('internal', 'more gates are open than there can be tasks');
    const generation = (last >> STATE_BITS) + 1;
    Atomics.store(this.#words, slot, (generation << STATE_BITS) | IDLE);
    // The word has the generation as it has wrapped around.
    const key = { slot, generation: (generation << STATE_BITS) >> STATE_BITS };
    return new WriteGate(this.#words, key, () => {
      this.#free.push(slot);
      onClosed();
    });
  }

  /** Worker side. */
  at(key: GateKey): WriteGate {
    return new WriteGate(this.#words, key, () => undefined);
  }
}

export class WriteGate {
  readonly key: GateKey;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #onClosed: () => void;
  #hasClosed = false;
  #hasFinished = false;
  #inside = 0;

  /** @internal For `GateTable`. */
  constructor(words: Int32Array<SharedArrayBuffer>, key: GateKey, onClosed: () => void) {
    this.#words = words;
    this.key = key;
    this.#onClosed = onClosed;
  }

  get closed(): boolean {
    const word = Atomics.load(this.#words, this.key.slot);
    return word !== this.#word(IDLE) && word !== this.#word(WRITING);
  }

  /** Main side, once it is closed: whether its writer had come to the end, also when nobody has heard of that yet. */
  get finished(): boolean {
    return this.#hasFinished;
  }

  /** Runs a write if the gate is open; false, and nothing run, if it is closed. Worker side; `write` is synchronous. */
  pass(write: () => void): boolean {
    if (!this.enter()) return false;
    try {
      write();
    } finally {
      this.leave();
    }
    return true;
  }

  /** The same for the last write, with no other under way: once it is done nothing passes, and `finished` tells of it. */
  finish(write: () => void): boolean {
    if (!this.enter()) return false;
    let state = IDLE;
    try {
      write();
      state = FINISHED;
    } finally {
      this.#leaveAs(state);
    }
    return true;
  }

  /** Before a write that takes its time; false if the gate is closed. It may be entered again meanwhile. Worker side. */
  enter(): boolean {
    const isOpen = this.#inside === 0 ? this.#moves(IDLE, WRITING) : this.#is(WRITING);
    if (isOpen) this.#inside += 1;
    return isOpen;
  }

  /** After it, once for each `enter` that was let in. */
  leave(): void {
    this.#leaveAs(IDLE);
  }

  /** Main side, when the thread that it was opened for has ended, perhaps in the middle of a write. */
  abandon(): void {
    if (!this.#moves(WRITING, CLOSED) && !this.#moves(CLOSING, CLOSED)) return;
    Atomics.notify(this.#words, this.key.slot);
  }

  /**
   * Main side; waits only while a write is in progress, which is a write to the local disk, and until its thread knows of
   * its end: whose calls may hang on a mount writes nothing that takes its time.
   */
  async close(): Promise<void> {
    const { slot } = this.key;
    while (!this.#hasClosed) {
      if (this.#moves(IDLE, CLOSED) || this.#is(CLOSED) || this.#is(FINISHED)) {
        this.#hasClosed = true;
        // Now: the word may be used again as soon as it is known to be closed.
        this.#hasFinished = this.#is(FINISHED);
        this.#onClosed();
        return;
      }
      this.#moves(WRITING, CLOSING);
      const wait = Atomics.waitAsync(this.#words, slot, this.#word(CLOSING), 1000);
      if (wait.async) await wait.value;
    }
  }

  #leaveAs(state: number): void {
    this.#inside -= 1;
    if (this.#inside > 0 || this.#moves(WRITING, state)) return;
    Atomics.store(this.#words, this.key.slot, this.#word(state === FINISHED ? FINISHED : CLOSED));
    Atomics.notify(this.#words, this.key.slot);
  }

  #is(state: number): boolean {
    return Atomics.load(this.#words, this.key.slot) === this.#word(state);
  }

  #moves(from: number, to: number): boolean {
    const expected = this.#word(from);
    return Atomics.compareExchange(this.#words, this.key.slot, expected, this.#word(to)) === expected;
  }

  #word(state: number): number {
    return (this.key.generation << STATE_BITS) | state;
  }
}
