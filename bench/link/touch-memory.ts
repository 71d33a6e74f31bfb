import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const STEP = Buffer.alloc(2 ** 20, 1);

/**
 * Writes a file of that size and removes it. A virtual machine may have given the memory of removed files back to its host,
 * and whoever writes next pays for getting it again, several times the price of the writing itself: this pays it before.
 */
export function touchMemory(directory: string, mib: number): void {
  const path = join(directory, 'touched.bin');
  const fd = openSync(path, 'w');
  for (let n = 0; n < mib; n += 1) writeSync(fd, STEP);
  closeSync(fd);
  rmSync(path);
}
