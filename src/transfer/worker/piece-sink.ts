import { closeSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Blake3Engine, Blake3Stream } from '../../content/blake3.ts';
import type { PartialFile } from '../../store/partial-file.ts';
import { ShoalError } from '../../util/errors.ts';
import type { PieceOrder, PieceResult } from '../data-orders.ts';
import type { GateTable, WriteGate } from '../write-gate.ts';
import { readFully, writeFully } from './full-io.ts';
import { diskError, type TaskContext } from './task.ts';
import type { WriteBehind } from './write-behind.ts';

const COPY_STEP_BYTES = 1024 * 1024;
let scratchCount = 0;

/**
 * Hashes and writes one piece as its bytes arrive; of it one step at most is kept in memory. Bytes land in place unverified, and
 * count only once the have log names the piece. While another task writes the same piece in place, they land in a
 * scratch file instead: two writers of one place could leave there what neither of them has verified.
 */
export class PieceSink {
  readonly #order: PieceOrder;
  readonly #file: PartialFile;
  readonly #gates: GateTable;
  readonly #gate: WriteGate;
  readonly #hash: Blake3Stream;
  readonly #scratch: number | undefined;
  readonly #behind: WriteBehind;
  #underWay = 0;
  #failure: unknown;
  #onWritten: (() => void) | undefined;
  #digest: Uint8Array | undefined;
  #at = 0;

  /** @param parts.dir for scratch files */
  constructor(
    order: PieceOrder,
    parts: {
      readonly file: PartialFile;
      readonly dir: string;
      readonly gates: GateTable;
      readonly blake3: Blake3Engine;
      readonly behind: WriteBehind;
    },
  ) {
    const { file, dir, blake3, behind } = parts;
    this.#behind = behind;
    this.#order = order;
    this.#file = file;
    this.#gates = parts.gates;
    this.#gate = parts.gates.at(order.gate);
    this.#hash = blake3.create();
    this.#scratch = order.landing === 'scratch' ? openScratch(dir) : undefined;
  }

  get missingBytes(): number {
    return this.#order.piece.length - this.#at;
  }

  /** Of the whole piece, once it has been finished. */
  get digest(): Uint8Array {
    return (this.#digest ??= this.#hash.digest());
  }

  /** @throws ShoalError `source-lied` for more bytes than the piece has, `disk-full` */
  write(bytes: Uint8Array): void {
    this.#writeAt(this.#take(bytes), bytes);
  }

  /**
   * The same for the first `length` bytes of a buffer, which may still be being written when it returns: not for threads
   * whose calls may hang, since it is they who must learn of the end.
   * @returns the buffer to go on with
   * @throws ShoalError as `write`, also for a step before this one
   */
  writeStep(buffer: Uint8Array, length: number): Uint8Array {
    const bytes = length === buffer.length ? buffer : buffer.subarray(0, length);
    const at = this.#take(bytes);
    const next = this.#scratch === undefined ? this.#writeBehind(buffer, at, bytes) : undefined;
    if (next !== undefined) return next;
    this.#writeAt(at, bytes);
    return buffer;
  }

  /** Where in the piece they belong. */
  #take(bytes: Uint8Array): number {
    this.#throwFailure();
    if (bytes.length > this.missingBytes) throw new ShoalError('source-lied', 'more bytes than the piece has');
    this.#hash.update(bytes);
    const at = this.#at;
    this.#at += bytes.length;
    return at;
  }

  #writeBehind(buffer: Uint8Array, at: number, bytes: Uint8Array): Uint8Array | undefined {
    if (!this.#gate.enter()) return undefined;
    const step = { fd: this.#file.fd, bytes, position: this.#order.piece.offset + at };
    let next: Uint8Array | undefined;
    try {
      next = this.#behind.begin(buffer, step, (error) => {
        this.#gate.leave();
        this.#underWay -= 1;
        this.#failure ??= error;
        this.#onWritten?.();
      });
    } finally {
      if (next === undefined) this.#gate.leave();
      else this.#underWay += 1;
    }
    return next;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw diskError(this.#failure);
  }

  #writeAt(at: number, bytes: Uint8Array): void {
    try {
      if (this.#scratch !== undefined) writeFully(this.#scratch, bytes, at);
      // A closed gate is no error: the bytes are still hashed, in case the piece turns out to be here already.
      else this.#gate.pass(() => this.#file.write(bytes, this.#order.piece.offset + at));
    } catch (error) {
      throw diskError(error);
    }
  }

  /**
   * Call when all bytes have been written. Resolves when the piece is in place and in the have log, or, with
   * `written: false`, when it is verified but was not to be written any more.
   * @param options.unchecked nobody has hashed it before: whatever came is right
   * @throws ShoalError `source-lied` for too few bytes, `piece-corrupt`, `disk-full`
   */
  async finish(context: TaskContext, options: { readonly unchecked?: boolean } = {}): Promise<PieceResult> {
    if (this.missingBytes > 0)
      throw new ShoalError('source-lied', `${this.missingBytes} bytes of the piece are missing`);
    while (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onWritten = resolve;
      });
    }
    this.#throwFailure();
    if (options.unchecked !== true && Buffer.from(this.digest).toString('hex') !== this.#order.piece.hash) {
      throw new ShoalError('piece-corrupt', `piece ${this.#order.piece.index} does not match its hash`);
    }
    if (this.#scratch === undefined) return { written: this.#markHave(this.#gate) };
    const scratch = this.#scratch;
    context.signal.throwIfAborted();
    const gate = await new Promise<WriteGate>((resolve, reject) => {
      context.signal.addEventListener('abort', () => reject(context.signal.reason as Error), { once: true });
      context.onControl((control) => {
        if (control.kind === 'commit') resolve(this.#gates.at(control.gate));
      });
      context.tell({ kind: 'held' });
    });
    return { written: this.#moveIntoPlace(scratch, gate) };
  }

  close(): void {
    if (this.#scratch !== undefined) closeSync(this.#scratch);
  }

  #moveIntoPlace(scratch: number, gate: WriteGate): boolean {
    const { offset, length } = this.#order.piece;
    const step = new Uint8Array(Math.min(COPY_STEP_BYTES, length));
    for (let at = 0; at < length; at += step.length) {
      const bytes = step.subarray(0, Math.min(step.length, length - at));
      readFully(scratch, bytes, at);
      try {
        if (!gate.pass(() => this.#file.write(bytes, offset + at))) return false;
      } catch (error) {
        throw diskError(error);
      }
    }
    return this.#markHave(gate);
  }

  #markHave(gate: WriteGate): boolean {
    try {
      return gate.finish(() => this.#file.markHave(this.#order.piece.index));
    } catch (error) {
      throw diskError(error);
    }
  }
}

/** Without a name from its first moment on, so that nothing is left behind by a crash. */
function openScratch(dir: string): number {
  scratchCount += 1;
  const path = join(dir, `${process.pid}-${scratchCount}-${Math.random().toString(36).slice(2)}.scratch`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}
