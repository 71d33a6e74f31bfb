import assert from 'node:assert/strict';
import { mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { RegisteredModels, type RegisteredModelsParts } from '../../src/flows/registered-models.ts';
import { Registrations } from '../../src/flows/registrations.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { TestStore, temporaryFolder } from '../store/store-fixture.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { eventually } from '../support/wait.ts';

/** Nobody else is there. */
function alone(made: TestStore, registrations: Registrations, nas: string): RegisteredModels {
  const { store, modelsDir } = made;
  return new RegisteredModels({ modelsDir, origins: [pathToFileURL(`${nas}/`).href], bytesPerSecond: Infinity }, {
    ...{ store, registrations, clock: systemClock, log: silentLog },
    locator: { onChange: () => () => undefined, offers: { withDigest: () => undefined } },
    wanted: { isActive: () => false },
  } as unknown as RegisteredModelsParts);
}

test('what was fetched is not fetched again because it cannot be put into place', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const { store, modelsDir } = made;
  const nas = join(folder.path, 'nas');
  const { sha256, file } = await makeLora(join(nas, 'a.safetensors'), { seed: 'a' });
  const id = 'loras/a.safetensors';
  // What no scan takes for a model has the name.
  await mkdir(join(modelsDir, 'loras'));
  await symlink('/nowhere', join(modelsDir, id));
  const registrations = await Registrations.open({ database: store.database });
  const registered = alone(made, registrations, nas);
  const ending = new AbortController();
  const running = registered.run(ending.signal).catch(() => undefined);
  try {
    const sourceUrl = pathToFileURL(file).href;
    await registrations.put({ id, digest: `sha256:${sha256}`, since: 1, sourceUrl });
    await eventually('it is in the way', () => registered.problemOf(id)?.code === 'conflict');
    // Nobody has it any more.
    await rm(file);
    await rm(join(modelsDir, id));
    registered.forgive(id);
    await made.seesModels(id);
    assert.deepEqual(store.partials.list(), []);
  } finally {
    ending.abort();
    await running;
  }
});

test('what becomes part of another model is fetched once, and said to be', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const { store } = made;
  const nas = join(folder.path, 'nas');
  const { sha256, file } = await makeLora(join(nas, 'a.safetensors'), { seed: 'a' });
  await made.write('loras/config.json', '{}');
  await made.write('loras/b.ckpt', 'b');
  await made.seesModels('loras');
  const registrations = await Registrations.open({ database: store.database });
  const registered = alone(made, registrations, nas);
  const ending = new AbortController();
  const running = registered.run(ending.signal).catch(() => undefined);
  try {
    const id = 'loras/a.safetensors';
    await registrations.put({ id, digest: `sha256:${sha256}`, since: 1, sourceUrl: pathToFileURL(file).href });
    await eventually('it is another model', () => registered.problemOf(id)?.code === 'conflict');
    await rm(file);
    registered.forgive(id);
    await eventually('it was tried again', () => registered.problemOf(id)?.code === 'conflict');
    assert.deepEqual(store.catalog.findModel('loras')?.files.length, 3);
  } finally {
    ending.abort();
    await running;
  }
});

test('a registered model is fetched from a file below a configured origin, with its digest, and from nowhere else', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const nas = join(folder.path, 'nas');
  const good = await makeLora(join(nas, 'loras/good one.safetensors'), { seed: 'good' });
  const other = await makeLora(join(nas, 'other.safetensors'), { seed: 'other' });
  const outside = await makeLora(join(folder.path, 'outside.safetensors'), { seed: 'outside' });
  await symlink(outside.file, join(nas, 'way-out.safetensors'));
  const { store, modelsDir } = made;
  const registrations = await Registrations.open({ database: store.database });
  const registered = alone(made, registrations, nas);
  const ending = new AbortController();
  const running = registered.run(ending.signal).catch(() => undefined);
  try {
    const register = (id: string, sha256: string, file: string): Promise<void> =>
      registrations.put({ id, digest: `sha256:${sha256}`, since: 1, sourceUrl: pathToFileURL(file).href });
    await register('team/good', good.sha256, good.file);
    await register('lie', '0'.repeat(64), other.file);
    await register('beside', outside.sha256, outside.file);
    await register('way out', outside.sha256, join(nas, 'way-out.safetensors'));
    const model = await eventually('it is here', () => store.catalog.findModel('team/good'));
    assert.equal(model.digest, `sha256:${good.sha256}`);
    const [{ path } = assert.fail('it has no file')] = model.files;
    assert.deepEqual(await readFile(join(modelsDir, path)), await readFile(good.file));
    const problemOf = (id: string): Promise<string> =>
      eventually(`${id} is refused`, () => registered.problemOf(id)?.message);
    assert.match(await problemOf('lie'), /gave bytes with sha256:/);
    assert.match(await problemOf('beside'), /below no origin/);
    await problemOf('way out');
    assert.deepEqual(made.ids(), [model.id], 'and nothing else is');
  } finally {
    ending.abort();
    await running;
  }
});
