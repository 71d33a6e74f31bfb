import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Catalog } from './catalog.ts';
import { sameButLinks, stampOf } from './file-stamp.ts';

/**
 * Linking or unlinking a file moves the change time of its other names: they are noted as they are now, not hashed again.
 * Only for the change that we have just made ourselves.
 */
export async function restampTwins(
  modelsDir: string,
  { sha256, inode }: { readonly sha256: string; readonly inode: bigint },
  catalog: Catalog,
): Promise<void> {
  for (const path of catalog.pathsOf(sha256)) {
    const known = catalog.fileAt(path);
    if (known?.stamp.inode !== inode) continue;
    const stats = await lstat(join(modelsDir, path), { bigint: true }).catch(() => undefined);
    if (stats === undefined) continue;
    const stamp = stampOf(stats);
    if (sameButLinks(stamp, known.stamp)) await catalog.putFile(path, { ...known, stamp });
  }
}
