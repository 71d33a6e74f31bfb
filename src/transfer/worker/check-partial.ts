import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Bitfield } from '../../content/bitfield.ts';
import type { Blake3Engine } from '../../content/blake3.ts';
import type { Manifest } from '../../content/manifest.ts';
import { recheckSteps } from '../../store/partial-file.ts';
import { alignedBytes } from '../../util/aligned-bytes.ts';
import { ShoalError } from '../../util/errors.ts';
import { breathe, Progress, type TaskContext } from './task.ts';

/** Larger steps leave the processor's cache between the reading and the hashing. */
const STEP_BYTES = 256 * 1024;

/** sha256 of a file that is still growing together, in steps, so that whatever else this worker does goes on beside it. */
export async function hashPrefix(
  { path, sizeBytes }: { readonly path: string; readonly sizeBytes: number },
  context: TaskContext,
): Promise<{ sha256: string }> {
  const hash = createHash('sha256');
  const step = alignedBytes(STEP_BYTES);
  const prefix = new Prefix(context);
  let fd: number | undefined;
  try {
    for (let at = 0; at < sizeBytes; ) {
      const verified = Math.min(sizeBytes, await prefix.beyond(at));
      // Not before there is something in it: the file is made when its first piece comes.
      fd ??= openSync(path, 'r');
      const read = readSync(fd, step, 0, Math.min(step.length, verified - at), at);
      if (read === 0) throw new ShoalError('changed', `${path} is shorter than what was written to it`);
      hash.update(step.subarray(0, read));
      at += read;
      await breathe(context.signal);
    }
    return { sha256: hash.digest('hex') };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** How far the file is verified from its start. */
class Prefix {
  #bytes = 0;
  #wake: (() => void) | undefined;
  readonly #signal: AbortSignal;

  constructor(context: TaskContext) {
    this.#signal = context.signal;
    context.signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    context.onControl((control) => {
      if (control.kind !== 'verified') return;
      this.#bytes = control.bytes;
      this.#wake?.();
    });
  }

  /** Resolves when more than `at` bytes are verified. */
  async beyond(at: number): Promise<number> {
    while (this.#bytes <= at) {
      this.#signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#bytes;
  }
}

/** Which of the pieces that a partial's have log claims match their hash. */
export async function recheck(
  dir: string,
  manifest: Manifest,
  blake3: Blake3Engine,
  context: TaskContext,
): Promise<Bitfield> {
  const progress = new Progress(context);
  const steps = recheckSteps(dir, manifest, blake3);
  try {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      progress.add(step.value);
      await breathe(context.signal);
    }
  } finally {
    // Closes the file when the check was cancelled.
    steps.return(undefined as never);
  }
}
