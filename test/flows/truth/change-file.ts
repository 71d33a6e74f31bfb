import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import type { Random } from '../../../src/util/random.ts';

/** What others do to a node's files. */
export const CHANGES = ['install', 'edit', 'truncate', 'replace', 'delete'] as const;
export type Change = (typeof CHANGES)[number];

export async function changeFile(file: string, change: Change, content: string, random: Random): Promise<void> {
  switch (change) {
    case 'install':
    case 'replace':
      await writeFile(`${file}.tmp`, content);
      await rename(`${file}.tmp`, file);
      break;
    case 'edit':
      await (random() < 0.5 ? appendFile(file, content) : writeFile(file, content));
      break;
    case 'truncate':
      await truncate(file, Math.floor(readFileSync(file).length / 2));
      break;
    case 'delete':
      await rm(file);
  }
}

/** Undefined where no file is. */
export function sha256At(file: string): string | undefined {
  return existsSync(file) ? createHash('sha256').update(readFileSync(file)).digest('hex') : undefined;
}
