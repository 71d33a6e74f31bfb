import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database } from '../../src/store/database.ts';
import { havePath, openPartial, partialPath } from '../../src/store/partial-file.ts';
import { PartialStore } from '../../src/store/partial-store.ts';
import { silentLog } from '../../src/util/log.ts';
import { randomBytesOf } from '../support/random-body.ts';
import { manifestFor, temporaryFolder } from './store-fixture.ts';

const body = randomBytesOf('blob', 700_000);
const { manifest, cid } = manifestFor(body);
const blob = { sha256: manifest.sha256, sizeBytes: body.length, manifest: cid };

async function open(root: string): Promise<{ partials: PartialStore } & AsyncDisposable> {
  const database = await Database.open(join(root, 'data'));
  const partials = await PartialStore.open({ modelsDir: join(root, 'models') }, { database, log: silentLog });
  return { partials, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

test('what was begun is found again after a restart, with what it claims', async () => {
  await using folder = await temporaryFolder();
  {
    await using opened = await open(folder.path);
    const partial = await opened.partials.create(blob);
    const file = openPartial(partial.dir, partial.sha256, partial.sizeBytes);
    file.markHave(0);
    file.markHave(2);
    file.close();
    assert.deepEqual(await opened.partials.create(blob), partial);
    assert.equal(opened.partials.claimedBytes(partial), 256 * 1024 + (700_000 - 512 * 1024));
  }
  await using opened = await open(folder.path);
  const [partial] = opened.partials.list();
  assert.equal(partial?.manifest, cid);
  assert.equal(opened.partials.find(blob.sha256)?.sizeBytes, body.length);
  assert.match(partial.path, /models\/\.shoal\/partial\/[0-9a-f]{64}\.part$/);
});

test('what belongs to nobody is cleared away, and what lost its file is forgotten', async () => {
  await using folder = await temporaryFolder();
  const dir = join(folder.path, 'models/.shoal/partial');
  {
    await using opened = await open(folder.path);
    await opened.partials.create(blob);
  }
  await writeFile(join(dir, `${'a'.repeat(64)}.part`), 'stray');
  await writeFile(join(dir, 'anything'), 'stray');
  await writeFile(join(dir, 'kept.journal'), 'of a copy');
  {
    await using opened = await open(folder.path);
    assert.equal(opened.partials.list().length, 1);
    assert.deepEqual((await readdir(dir)).sort(), [`${blob.sha256}.have`, `${blob.sha256}.part`, 'kept.journal']);
  }
  await rm(join(dir, `${blob.sha256}.part`));
  await using opened = await open(folder.path);
  assert.deepEqual(opened.partials.list(), []);
  assert.deepEqual(await readdir(dir), ['kept.journal']);
});

test('a models directory that is not mounted costs no partial', async () => {
  await using folder = await temporaryFolder();
  const models = join(folder.path, 'models');
  {
    await using opened = await open(folder.path);
    const partial = await opened.partials.create(blob);
    openPartial(partial.dir, partial.sha256, partial.sizeBytes).close();
  }
  await rename(models, join(folder.path, 'away'));
  {
    await using opened = await open(folder.path);
    assert.deepEqual(opened.partials.list(), []);
  }
  await rm(models, { recursive: true });
  await rename(join(folder.path, 'away'), models);
  await using opened = await open(folder.path);
  assert.equal(opened.partials.list().length, 1);
});

test('a partial deleted by hand is begun anew, without claims', async () => {
  await using folder = await temporaryFolder();
  await using opened = await open(folder.path);
  const partial = await opened.partials.create(blob);
  const file = openPartial(partial.dir, partial.sha256, partial.sizeBytes);
  file.markHave(1);
  file.close();
  await rm(join(folder.path, 'models/.shoal'), { recursive: true });
  const again = await opened.partials.create(blob);
  assert.equal(opened.partials.claimedBytes(again), 0);
  assert.equal((await stat(again.path)).size, body.length);
});

test('another manifest keeps the pieces, another size does not, and discarding leaves nothing', async () => {
  await using folder = await temporaryFolder();
  await using opened = await open(folder.path);
  const partial = await opened.partials.create(blob);
  const file = openPartial(partial.dir, partial.sha256, partial.sizeBytes);
  file.write(body.subarray(0, 10), 0);
  file.markHave(0);
  file.close();
  const other = await opened.partials.create({ ...blob, manifest: 'another' });
  assert.equal(other.manifest, 'another');
  assert.deepEqual((await readFile(other.path)).subarray(0, 10), Buffer.from(body.subarray(0, 10)));
  const shorter = await opened.partials.create({ ...blob, sizeBytes: 5 });
  assert.equal(opened.partials.claimedBytes(shorter), 0);
  assert.equal((await stat(shorter.path)).size, 5);
  await opened.partials.discard(blob.sha256);
  assert.deepEqual(await readdir(partial.dir), []);
  assert.equal(opened.partials.find(blob.sha256), undefined);
});

test('what is here of a draft is adopted under the sha256 that it has got, and what is there already is left alone', async () => {
  await using folder = await temporaryFolder();
  await using opened = await open(folder.path);
  const { partials } = opened;
  const draft = 'dd'.repeat(32);
  const partial = await partials.create({ ...blob, sha256: draft, draftOf: 'm.gguf' });
  const file = openPartial(partial.dir, draft, partial.sizeBytes);
  file.write(body.subarray(0, 10), 0);
  file.markHave(0);
  file.close();
  await partials.adopt({ ...blob, path: 'm.gguf', sizeBytes: blob.sizeBytes + 1 });
  await partials.adopt({ ...blob, path: 'other.gguf' });
  assert.equal(partials.find(blob.sha256), undefined);
  await partials.adopt({ ...blob, path: 'm.gguf' });
  const adopted = partials.find(blob.sha256);
  assert.ok(adopted !== undefined && partials.claimedBytes(adopted) > 0);
  assert.equal(adopted.manifest, blob.manifest);
  assert.deepEqual((await readFile(adopted.path)).subarray(0, 10), Buffer.from(body.subarray(0, 10)));
  assert.equal(partials.find(draft), undefined);
  assert.deepEqual((await readdir(partial.dir)).sort(), [`${blob.sha256}.have`, `${blob.sha256}.part`]);
  await partials.create({ ...blob, sha256: draft, draftOf: 'm.gguf' });
  await partials.adopt({ ...blob, path: 'm.gguf' });
  assert.ok(partials.find(draft) !== undefined);
});

test('of a file that was written again the older drafts go, and neither newer ones nor those of other files', async () => {
  await using folder = await temporaryFolder();
  const draft = (letter: string, draftOf: string, modifiedNs: string) =>
    ({ ...blob, sha256: letter.repeat(64), draftOf, modifiedNs }) as const;
  {
    await using opened = await open(folder.path);
    const drafts = [draft('a', 'm.gguf', '5'), draft('b', 'm.gguf', '10'), draft('c', 'n.gguf', '5')];
    for (const one of [...drafts, draft('d', 'm.gguf', '11')]) await opened.partials.create(one);
    await opened.partials.create(blob);
  }
  await using opened = await open(folder.path);
  await opened.partials.discardOlderDrafts({ path: 'm.gguf', modifiedNs: '10' });
  const left = opened.partials.list().map(({ sha256 }) => sha256[0]);
  assert.deepEqual(left.sort(), ['b', 'c', 'd', blob.sha256[0]].sort());
  assert.ok(!(await readdir(join(folder.path, 'models/.shoal/partial'))).some((name) => name.startsWith('aaaa')));
});

const draft = { ...blob, sha256: 'd'.repeat(64), manifest: 'draft', draftOf: 'm.gguf', modifiedNs: '1' };

test('a draft whose log a crash has kept from being made is adopted all the same', async () => {
  await using folder = await temporaryFolder();
  await using opened = await open(folder.path);
  const { dir } = await opened.partials.create(draft);
  await rm(havePath(dir, draft.sha256));
  await opened.partials.adopt({ ...blob, path: 'm.gguf' });
  const [partial, ...others] = opened.partials.list();
  assert.deepEqual([partial?.sha256, others.length], [blob.sha256, 0]);
  assert.equal((await stat(partial?.path ?? '')).size, body.length);
});

test('what a draft claims is still claimed when the adoption was cut off before its bytes were renamed', async () => {
  await using folder = await temporaryFolder();
  const claims = 256 * 1024;
  {
    await using opened = await open(folder.path);
    const { dir, path } = await opened.partials.create(draft);
    const file = openPartial(dir, draft.sha256, body.length);
    file.markHave(0);
    file.close();
    // The bytes cannot get the name: as if it had ended there.
    await mkdir(join(partialPath(dir, blob.sha256), 'in the way'), { recursive: true });
    await assert.rejects(opened.partials.adopt({ ...blob, path: 'm.gguf' }));
    await stat(path);
    await rm(partialPath(dir, blob.sha256), { recursive: true });
  }
  await using opened = await open(folder.path);
  const [partial] = opened.partials.list();
  assert.equal(partial?.sha256, draft.sha256);
  assert.equal(opened.partials.claimedBytes(partial), claims);
  await opened.partials.adopt({ ...blob, path: 'm.gguf' });
  const [adopted] = opened.partials.list();
  assert.equal(adopted?.sha256, blob.sha256);
  assert.equal(opened.partials.claimedBytes(adopted), claims);
});
