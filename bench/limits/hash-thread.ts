import { createHash } from 'node:crypto';
import { openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { alignedBytes } from '../../src/util/aligned-bytes.ts';

/** sha256 of a file while it is written: of as many bytes as `written` counts, in MiB; -1 when there will be no more. */
const { path, written } = workerData as { path: string; written: SharedArrayBuffer };
const MIB = 1024 * 1024;
const count = new Int32Array(written);
const hash = createHash('sha256');
const fd = openSync(path, 'r');
const step = alignedBytes(256 * 1024);
let at = 0;
parentPort?.postMessage('ready');
for (;;) {
  const known = Atomics.load(count, 0);
  if (known >= 0 && known * MIB <= at) {
    Atomics.wait(count, 0, known, 1000);
    continue;
  }
  const read = readSync(fd, step, 0, known < 0 ? step.length : Math.min(step.length, known * MIB - at), at);
  if (read === 0) break;
  hash.update(step.subarray(0, read));
  at += read;
}
hash.digest();
parentPort?.postMessage('done');
