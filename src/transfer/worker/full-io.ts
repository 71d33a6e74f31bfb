import { readSync, writeSync } from 'node:fs';
import { ShoalError } from '../../util/errors.ts';

export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

/** @throws ShoalError `changed` when the file ends early */
export function readFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(fd, bytes, done, bytes.length - done, position + done);
    if (read === 0) throw new ShoalError('changed', 'the file is shorter than it was');
    done += read;
  }
}
