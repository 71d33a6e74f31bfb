import { join } from 'node:path';
import { codeOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Catalog } from './catalog.ts';
import { sameStamp } from './file-stamp.ts';
import type { HashedFile, Hasher } from './hasher.ts';

export interface VerifyParts {
  readonly catalog: Catalog;
  readonly hasher: Hasher;
  readonly log: Log;
  /** The file is not the one that was hashed: it is looked at as if it were new. */
  readonly suspect: (path: string) => void;
}

/** Reads the file again; true if it still has the bytes that the catalog says. */
export async function verifyFile(
  modelsDir: string,
  path: string,
  parts: VerifyParts,
  signal: AbortSignal,
): Promise<boolean> {
  const { catalog, hasher, log, suspect } = parts;
  const known = catalog.rememberedAt(path);
  if (known === undefined) return false;
  let hashed: HashedFile;
  try {
    hashed = await hasher.hashFile(join(modelsDir, path), signal);
  } catch (error) {
    if (signal.aborted) throw error;
    if (catalog.rememberedAt(path) === undefined) return false;
    if (codeOf(error) !== 'internal') {
      suspect(path);
      return false;
    }
    log.error({ path, err: error }, 'file cannot be read, it is not used any more');
    await catalog.damaged(path);
    return false;
  }
  // Withdrawn for good while it was read, although its bytes may still be there: it must not come back.
  if (catalog.rememberedAt(path) === undefined) return false;
  if (hashed.sha256 === known.sha256) {
    await catalog.putFile(path, { ...known, stamp: hashed.stamp });
    return true;
  }
  if (!sameStamp(hashed.stamp, known.stamp)) {
    suspect(path);
    return false;
  }
  await catalog.damaged(path);
  const remedy = 'Delete it: if it is wanted, it is fetched again. Check the disk (smartctl, dmesg) and the memory.';
  log.error({ path, expected: known.sha256, found: hashed.sha256, remedy }, 'file is damaged, it is not used any more');
  return false;
}
