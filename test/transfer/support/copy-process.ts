import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { loadBlake3 } from '../../../src/content/blake3.ts';
import { partialPath } from '../../../src/store/partial-file.ts';
import { DataPlane } from '../../../src/transfer/data-plane.ts';
import { FileOrigin } from '../../../src/transfer/file-origin.ts';
import { OriginCopy } from '../../../src/transfer/origin-copy.ts';
import { parseOriginUrl } from '../../../src/transfer/origin-url.ts';
import { silentLog } from '../../../src/util/log.ts';

/** A process to be killed: copies one file of a mount and prints how far it is, a line each time. */
const [root = '', path = '', size = '0', dir = ''] = process.argv.slice(2);
const blake3 = await loadBlake3();
const address = parseOriginUrl(pathToFileURL(root).href);
if (address.kind !== 'file') throw new Error('not a directory');
const plane = new DataPlane({ workers: 1 }, { log: silentLog });
const partials = {
  dir,
  create: (blob: { sha256: string; sizeBytes: number; manifest: string }) =>
    Promise.resolve({ ...blob, dir, path: partialPath(dir, blob.sha256) }),
};
const copies = new OriginCopy({ partials, blake3 });
const origin = new FileOrigin({ address }, { plane, blake3 });
let bytes = 0;
const onBytes = (more: number): void => {
  bytes += more;
  process.stdout.write(`${bytes}\n`);
};
createInterface(process.stdin).once('line', () => {
  void copies
    .run(origin, { path, sizeBytes: Number(size) }, onBytes, new AbortController().signal)
    .then(({ sha256, resumedBytes }) => process.stdout.write(`${JSON.stringify({ sha256, resumedBytes })}\n`))
    .finally(() => plane[Symbol.asyncDispose]());
});
process.stdout.write('ready\n');
