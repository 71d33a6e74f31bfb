import { mkdir } from 'node:fs/promises';
import { errnoOf, ShoalError } from '../util/errors.ts';

const remedies: Readonly<Record<string, string>> = {
  EACCES: 'Let the user that the daemon runs as write there (chown, chmod)',
  EPERM: 'Let the user that the daemon runs as write there (chown, chmod)',
  EROFS: 'Mount it for writing (for a systemd service: ReadWritePaths=)',
  EEXIST: 'Something that is no directory has this name: move it away',
  ENOTDIR: 'Something that is no directory stands in its path: move it away',
};

/**
 * What the daemon cannot start without.
 * @throws ShoalError `conflict`: what is in the way may be gone at the next try, a disk that is not mounted yet
 */
export async function makeDirectory(
  path: string,
  { what, mode }: { readonly what: { readonly name: string; readonly flag: string }; readonly mode?: number },
): Promise<void> {
  try {
    await mkdir(path, { recursive: true, ...(mode === undefined ? {} : { mode }) });
  } catch (error) {
    const errno = errnoOf(error);
    const remedy = errno === undefined ? undefined : remedies[errno];
    if (errno === undefined || remedy === undefined) throw error;
    throw new ShoalError('conflict', `${what.name} cannot be used: no directory can be made at ${path} (${errno})`, {
      cause: error,
      remedy: `${remedy}, or choose another with ${what.flag}.`,
    });
  }
}
