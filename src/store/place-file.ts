import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, lstat, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, ShoalError } from '../util/errors.ts';
import type { Catalog } from './catalog.ts';
import { type FileStamp, sameStamp, stampOf } from './file-stamp.ts';
import type { PartialStore } from './partial-store.ts';

const NO_HARD_LINKS = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EMLINK'];
const NO_REFLINKS = ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY', 'EBADF'];
/** Small files are copied where they cannot be reflinked: people edit them, and an edit shows at every hard link. */
const COPY_MAX_BYTES = 1024 * 1024;

/**
 * Gives the file its final name; link(2) fails where rename(2) would replace. The name it has stays.
 * @throws ShoalError `conflict` when another file has the name
 */
export async function linkInto(from: string, target: string, path: string): Promise<void> {
  try {
    await link(from, target);
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (errno === 'EEXIST') {
      const [a, b] = await Promise.all([lstat(from, { bigint: true }), lstat(target, { bigint: true })]);
      if (a.ino !== b.ino || a.dev !== b.dev) throw occupied(path);
    } else if (NO_HARD_LINKS.includes(errno)) {
      // A file system without hard links (exFAT): the check and the rename are two steps, as near as it can be.
      if ((await lstat(target).catch(() => undefined)) !== undefined) throw occupied(path);
      await rename(from, target);
    } else if (errno === 'EXDEV') {
      throw new ShoalError('conflict', `${path} lies on another file system than the models directory`, {
        cause: error,
        remedy: 'Use one file system for the whole models directory, .shoal included.',
      });
    } else throw error;
  }
}

/**
 * The same blob at a second place takes no second space where the file system can share it: a reflink, else a hard link.
 * `note` is called with what will have the name, before it has. Returns its stamp.
 * @throws ShoalError `changed` when the file that holds the blob has been written meanwhile, `conflict`
 */
export async function shareInto(
  { modelsDir, sha256, path }: { readonly modelsDir: string; readonly sha256: string; readonly path: string },
  { catalog, partials }: { readonly catalog: Catalog; readonly partials: PartialStore },
  note: (stamp: FileStamp) => Promise<void>,
): Promise<FileStamp> {
  const own = catalog.locateBlob(sha256);
  if (own === undefined) throw changed(path);
  const target = join(modelsDir, path);
  // Its own: several models may get the blob at the same time.
  const draft = join(partials.dir, `${sha256}.${randomUUID()}.draft`);
  try {
    const copied = await copyInto(own.path, draft, own.stamp.sizeBytes);
    const stamp = await stampAt(copied ? draft : own.path);
    if (!sameStamp(await stampAt(own.path), own.stamp)) throw changed(path);
    await note(stamp);
    await linkInto(copied ? draft : own.path, target, path);
    return stamp;
  } finally {
    await rm(draft, { force: true });
  }
}

export function occupied(path: string): ShoalError {
  return new ShoalError('conflict', `another file is already at ${path}, and Shoal never overwrites one`, {
    remedy: 'Move or delete it; then the wanted one is put there.',
  });
}

/** False when the file is too large to be copied and cannot be reflinked. */
async function copyInto(from: string, draft: string, sizeBytes: number): Promise<boolean> {
  try {
    await copyFile(from, draft, constants.COPYFILE_FICLONE_FORCE);
  } catch (error) {
    if (!NO_REFLINKS.includes(errnoOf(error) ?? '')) throw error;
    if (sizeBytes > COPY_MAX_BYTES) return false;
    await copyFile(from, draft);
  }
  const file = await open(draft, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  return true;
}

async function stampAt(path: string): Promise<FileStamp> {
  return stampOf(await lstat(path, { bigint: true }));
}

function changed(path: string): ShoalError {
  return new ShoalError('changed', `the file that ${path} was to share its bytes with has changed meanwhile`);
}
