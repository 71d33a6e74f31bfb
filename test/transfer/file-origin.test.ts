import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { appendFile, mkdir, open, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { manifestCid } from '../../src/content/cid.ts';
import { makeModel } from '../../src/content/model.ts';
import { formatIndex } from '../../src/store/published-index.ts';
import { DataPlane } from '../../src/transfer/data-plane.ts';
import { FileOrigin } from '../../src/transfer/file-origin.ts';
import { parseOriginUrl } from '../../src/transfer/origin-url.ts';
import { codeOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { mountHangable, needsFuse } from '../support/mounts.ts';
import { delay, eventually } from '../support/wait.ts';
import { testPieceSource } from './piece-source.conformance.ts';
import { TestBlob, TestFolder } from './support/blob.ts';

const never = new AbortController().signal;
const blake3 = await loadBlake3();
const PATH = 'loras/a b.safetensors';

function originAt(root: string, plane: DataPlane): FileOrigin {
  const address = parseOriginUrl(pathToFileURL(root).href);
  assert.ok(address.kind === 'file');
  return new FileOrigin({ address }, { plane, blake3 });
}

/** Opening a pipe that nobody writes to hangs in the system call, as a file on a dead mount does. */
async function hangAt(file: string): Promise<void> {
  await rm(file, { force: true });
  execFileSync('mkfifo', [file]);
}

/**
 * Lets go whoever hangs at the pipe, which `replace` takes away meanwhile: who came to it after it was closed again would
 * hang for ever.
 */
async function unhang(file: string, replace: () => Promise<void>): Promise<void> {
  const pipe = await open(file, constants.O_RDWR | constants.O_NONBLOCK);
  await replace();
  await delay(200);
  await pipe.close();
}

testPieceSource({
  name: 'file origin',
  codes: { corrupt: ['piece-corrupt'], short: ['source-gone'], long: ['source-gone'], gone: ['source-gone'] },
  async make({ plane, blob, folder, dir }) {
    const root = await folder.folder('mount');
    await folder.folder('mount/loras');
    const file = join(root, PATH);
    await writeFile(file, blob.bytes);
    const origin = originAt(root, plane);
    let hanging = false;
    return {
      open: () => origin.open(blob.target(dir), PATH, never),
      async fault(fault) {
        const damaged = Buffer.from(blob.bytes).fill(1, 300_000, 300_001);
        if (fault === 'corrupt') await writeFile(file, damaged);
        else if (fault === 'short') await truncate(file, 400_000);
        else if (fault === 'long') await appendFile(file, 'more');
        else if (fault === 'gone') await rm(file);
        else await hangAt(file);
        hanging = fault === 'stall';
      },
      async heal() {
        const replace = async (): Promise<void> => {
          await writeFile(`${file}.new`, blob.bytes);
          await rename(`${file}.new`, file);
        };
        if (hanging) await unhang(file, replace);
        else await replace();
        hanging = false;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
});

test('file origin: a mount that hangs costs its own thread and nothing else, not even the closing', async () => {
  await using folder = await TestFolder.make();
  const blob = await TestBlob.make({ seed: 'hang' });
  const plane = new DataPlane({ workers: 1 }, { log: silentLog });
  const [hung, well] = await Promise.all([folder.folder('hung/loras'), folder.folder('well/loras')]);
  await writeFile(join(well, 'a b.safetensors'), blob.bytes);
  await hangAt(join(hung, 'a b.safetensors'));
  const target = blob.target(await folder.folder('partial'));
  const stuck = await originAt(join(folder.path, 'hung'), plane).open(target, PATH, never);
  const fine = await originAt(join(folder.path, 'well'), plane).open(target, PATH, never);
  const controller = new AbortController();
  const waiting = stuck.fetch(blob.piece(0), () => undefined, controller.signal);
  await delay(100);
  controller.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  for (const piece of blob.pieces()) await fine.fetch(piece, () => undefined, never);
  await delay(1100);
  // Whoever comes next is told at once, instead of queueing behind the call that hangs.
  await assert.rejects(
    stuck.fetch(blob.piece(1), () => undefined, never),
    (error) => codeOf(error) === 'source-stalled',
  );
  await stuck.close();
  await fine.close();
  const startMs = performance.now();
  await plane[Symbol.asyncDispose]();
  assert.ok(performance.now() - startMs < 2000);
  assert.equal(plane.hung, true);
  const pipe = join(hung, 'a b.safetensors');
  await unhang(pipe, () => rm(pipe));
});

test('file origin: a NAS that goes and comes back under a real mount is used again', { skip: needsFuse }, async () => {
  await using folder = await TestFolder.make();
  const blob = await TestBlob.make({ seed: 'nas' });
  await using plane = new DataPlane({ workers: 1 }, { log: silentLog });
  await folder.folder('nas/loras');
  await writeFile(join(folder.path, 'nas', PATH), blob.bytes);
  await using mount = await mountHangable(join(folder.path, 'nas'), join(folder.path, 'mount'));
  const dir = await folder.folder('partial');
  const origin = originAt(mount.directory, plane);
  const source = await origin.open(blob.target(dir), PATH, never);
  await source.fetch(blob.piece(0), () => undefined, never);
  mount.hang();
  const controller = new AbortController();
  const waiting = source.fetch(blob.piece(1), () => undefined, controller.signal);
  setTimeout(() => controller.abort(), 200);
  await assert.rejects(waiting, { name: 'AbortError' });
  mount.resume();
  await eventually('the mount is used again', () =>
    source
      .fetch(blob.piece(1), () => undefined, never)
      .then(
        () => true,
        () => false,
      ),
  );
  assert.deepEqual((await blob.have(dir)).toSorted(), [0, 1]);
  await source.close();
});

test('file origin: an unpublished directory is listed by the model rules, links that lead out left out', async () => {
  await using folder = await TestFolder.make();
  await using plane = new DataPlane({ workers: 1 }, { log: silentLog });
  const root = await folder.folder('mount');
  for (const name of ['hf', 'hf/unet', '.hidden', 'split']) await mkdir(join(root, name), { recursive: true });
  const files = ['a.gguf', 'hf/config.json', 'hf/unet/w.safetensors', '.hidden/x.gguf', 'notes.txt', 'half.gguf.part'];
  const shards = ['split/m-00001-of-00002.gguf', 'split/m-00002-of-00002.gguf', 'split/n-00001-of-00003.gguf'];
  for (const name of [...files, ...shards]) await writeFile(join(root, name), name);
  await symlink('/etc/hostname', join(root, 'out.gguf'));
  await symlink('a.gguf', join(root, 'in.gguf'));
  await symlink(root, join(root, 'ring'));
  const models = await originAt(root, plane).list(never);
  assert.deepEqual(
    models.map(({ id, files }) => [id, files.map(({ path, sizeBytes }) => `${path} ${sizeBytes}`)]),
    [
      ['a.gguf', ['a.gguf 6']],
      ['hf', ['hf/config.json 14', 'hf/unet/w.safetensors 21']],
      ['in.gguf', ['in.gguf 6']],
      ['split/m.gguf', ['split/m-00001-of-00002.gguf 27', 'split/m-00002-of-00002.gguf 27']],
    ],
  );
  assert.ok(
    models.every(({ digest, files }) => digest === undefined && files.every((file) => file.sha256 === undefined)),
  );
});

test('file origin: a published directory is listed by its index', async () => {
  await using folder = await TestFolder.make();
  await using plane = new DataPlane({ workers: 1 }, { log: silentLog });
  const root = await folder.folder('mount');
  const blob = await TestBlob.make({ seed: 'published file' });
  const cid = manifestCid(blob.manifestBytes, blake3);
  const file = { path: PATH, sizeBytes: blob.bytes.length, sha256: blob.sha256, manifest: cid };
  await mkdir(join(root, '.shoal/manifests'), { recursive: true });
  await writeFile(join(root, '.shoal/index.json'), formatIndex([makeModel(PATH, [], [file])]));
  await writeFile(join(root, '.shoal/manifests', cid), blob.manifestBytes);
  const origin = originAt(root, plane);
  assert.deepEqual(await origin.list(never), [
    { id: PATH, aliases: [], digest: `sha256:${blob.sha256}`, files: [file] },
  ]);
  assert.deepEqual(Buffer.from(await origin.manifest(cid, never)), Buffer.from(blob.manifestBytes));
  await rm(root, { recursive: true });
  await assert.rejects(origin.list(never), (error) => codeOf(error) === 'source-gone');
  assert.throws(() => void origin.open(blob.target(root), '../../etc/passwd', never), /not a model path/);
});
