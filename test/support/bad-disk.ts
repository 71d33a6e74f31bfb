import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * A disk (or memory, or controller) that gives back other bytes than were written, which no daemon can notice by looking
 * at sizes and times: reads of the matching files come back with one bit flipped while the switch is on. It is the real,
 * unchanged daemon that serves them, so it is what a peer with failing hardware does.
 */
export class BadDisk {
  readonly #switchFile: string;
  readonly #matching: string;

  /** `matching` is a part of the path of the files that suffer. */
  constructor(options: { directory: string; matching: string }) {
    this.#switchFile = join(options.directory, 'bad-disk.switch');
    this.#matching = options.matching;
    this.heal();
  }

  /** For `DaemonOptions.env`. */
  get env(): Record<string, string> {
    const preload = pathToFileURL(join(import.meta.dirname, 'bad-disk-preload.ts'));
    return {
      NODE_OPTIONS: `--import ${preload.href}`,
      BAD_DISK_SWITCH: this.#switchFile,
      BAD_DISK_MATCHING: this.#matching,
    };
  }

  /** From now on every n-th read of 16 KiB or more is wrong, in one bit. */
  fail(options: { everyReads: number }): void {
    writeFileSync(this.#switchFile, String(options.everyReads));
  }

  heal(): void {
    writeFileSync(this.#switchFile, '0');
  }
}
