import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Bitfield } from '../../content/bitfield.ts';
import type { Blake3Engine } from '../../content/blake3.ts';
import type { Manifest } from '../../content/manifest.ts';
import { recheckSteps } from '../../store/partial-file.ts';
import { breathe, Progress, type TaskContext } from './task.ts';

const STEP_BYTES = 1024 * 1024;

/** sha256 of a whole file, in steps, so that whatever else this worker does goes on beside it. */
export async function sha256OfFile(path: string, context: TaskContext): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  const progress = new Progress(context);
  const step = new Uint8Array(STEP_BYTES);
  const fd = openSync(path, 'r');
  try {
    for (let at = 0; ; ) {
      const read = readSync(fd, step, 0, step.length, at);
      if (read === 0) return { sha256: hash.digest('hex'), sizeBytes: at };
      hash.update(step.subarray(0, read));
      at += read;
      progress.add(read);
      await breathe(context.signal);
    }
  } finally {
    closeSync(fd);
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
