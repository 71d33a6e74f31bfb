import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { RegisteredModels, type RegisteredModelsParts } from '../../src/flows/registered-models.ts';
import { Registrations } from '../../src/flows/registrations.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { TestStore, temporaryFolder } from '../store/store-fixture.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { eventually } from '../support/wait.ts';

test('what is deleted while its bytes are verified does not get its name afterwards', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const { store, modelsDir } = made;
  const { sha256 } = await makeLora(join(modelsDir, 'here.safetensors'), { seed: 'here' });
  const digest = `sha256:${sha256}`;
  await eventually('it is installed', () => store.catalog.findModel('here.safetensors'));
  const registrations = await Registrations.open({ database: store.database });
  const reading = Promise.withResolvers<undefined>();
  const scanner = {
    firstScan: store.scanner.firstScan,
    verify: async (...asked: Parameters<typeof store.scanner.verify>) => {
      await reading.promise;
      return store.scanner.verify(...asked);
    },
  };
  const parts = { registrations, clock: systemClock, log: silentLog };
  const registered = new RegisteredModels({ modelsDir, origins: [], bytesPerSecond: Infinity }, {
    ...parts,
    store: { catalog: store.catalog, wants: store.wants, scanner },
    locator: { onChange: () => () => undefined, offers: { withDigest: () => undefined } },
    wanted: { isActive: () => false },
  } as unknown as RegisteredModelsParts);
  const ending = new AbortController();
  const running = registered.run(ending.signal).catch(() => undefined);
  try {
    for (const id of ['team/gone', 'team/stays']) await registrations.put({ id, digest, since: 1 });
    await eventually(
      'both are read',
      () => registered.isVerifying('team/gone') && registered.isVerifying('team/stays'),
    );
    await registrations.delete('team/gone');
    await store.catalog.name('team/gone', undefined);
    reading.resolve(undefined);
    await eventually('the other one is called so', () => store.catalog.findModel('team/stays'));
    await eventually('nothing is read any more', () => !registered.isVerifying('team/gone'));
    assert.equal(store.catalog.findModel('team/gone'), undefined);
  } finally {
    ending.abort();
    await running;
  }
});
