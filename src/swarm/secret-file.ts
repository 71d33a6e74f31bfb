import { randomBytes } from 'node:crypto';
import { chmod, type FileHandle, link, mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, ShoalError } from '../util/errors.ts';

const MAX_SECRET_BYTES = 4096;

/**
 * Reads a file that only its owner may read, or makes it with mode 0600.
 * @param forbidden permission bits that must not be set
 * @throws ShoalError `invalid` when others could read it, we cannot, or it is too large
 */
export async function loadOrCreateSecret(
  path: string,
  make: () => Uint8Array | Promise<Uint8Array>,
  forbidden: number,
): Promise<{ content: Uint8Array; created: boolean }> {
  try {
    return { content: await readSecret(path, forbidden), created: false };
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const created = await writeNew(path, await make());
  return { content: await readSecret(path, forbidden), created };
}

async function readSecret(path: string, forbidden: number): Promise<Uint8Array> {
  await using file = await openSecret(path);
  const { mode, size } = await file.stat();
  if ((mode & forbidden) !== 0) {
    throw new ShoalError('invalid', `${path} can be read or changed by others (mode ${(mode & 0o777).toString(8)})`, {
      remedy: `Run: chmod 600 ${path}`,
    });
  }
  if (size > MAX_SECRET_BYTES) throw new ShoalError('invalid', `${path} is too large to be a key`);
  return new Uint8Array(await file.readFile());
}

async function openSecret(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
    throw new ShoalError('invalid', `${path} cannot be read by the user that the daemon runs as (EACCES)`, {
      cause: error,
      remedy: `Run as root: chown ${process.geteuid?.() ?? 'USER'} ${path}`,
    });
  }
}

/** Whole or not at all, and never over another's: a second daemon that starts at the same time must get the same key. */
async function writeNew(path: string, content: Uint8Array): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`;
  {
    await using file = await open(temporary, 'wx', 0o600);
    await chmod(temporary, 0o600);
    await file.writeFile(content);
    await file.sync();
  }
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return false;
  } finally {
    await unlink(temporary);
  }
}
