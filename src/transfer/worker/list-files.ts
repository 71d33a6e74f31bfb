import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { parseModelPath } from '../../content/model-path.ts';
import { stampOf } from '../../store/file-stamp.ts';
import { ShoalError } from '../../util/errors.ts';
import type { FoundFile } from '../data-orders.ts';
import { breathe, sourceError, type TaskContext } from './task.ts';

/**
 * Every regular file below `root` under a name that a model may have. Links to files are followed while they stay inside
 * the root; links to directories are not, so that a ring ends nothing.
 * @throws ShoalError `source-gone`, `invalid` for more than `maxFiles` files
 */
export async function listFiles(
  order: { readonly root: string; readonly maxFiles: number },
  context: TaskContext,
): Promise<{ files: FoundFile[] }> {
  const files: FoundFile[] = [];
  const folders = [''];
  const real = attempt(() => realpathSync(order.root));
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const here = folder;
    for (const entry of attempt(() => readdirSync(join(real, here), { withFileTypes: true }))) {
      const path = here === '' ? entry.name : `${here}/${entry.name}`;
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile() || entry.isSymbolicLink()) {
        const found = look(real, path, entry);
        if (found !== undefined) files.push(found);
      }
      if (files.length > order.maxFiles) {
        throw new ShoalError('invalid', `the origin holds more than ${order.maxFiles} files`);
      }
    }
    context.tell({ kind: 'progress', bytes: 0 });
    await breathe(context.signal);
  }
  return { files };
}

function look(root: string, path: string, entry: Dirent): FoundFile | undefined {
  try {
    const full = join(root, parseModelPath(path));
    if (entry.isSymbolicLink() && !realpathSync(full).startsWith(root + sep)) return undefined;
    const stats = statSync(full, { bigint: true });
    return stats.isFile() ? { path, stamp: stampOf(stats) } : undefined;
  } catch {
    // A name that no model may have, a dangling link, or gone since the directory was read.
    return undefined;
  }
}

function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw sourceError(error);
  }
}
