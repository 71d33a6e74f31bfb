import assert from 'node:assert/strict';
import { appendFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { heartbeatDocument } from '../../src/flows/heartbeat-documents.ts';
import { Registrations } from '../../src/flows/registrations.ts';
import { ReportedModels } from '../../src/flows/reported-models.ts';
import { systemClock } from '../../src/util/clock.ts';
import { TestStore, temporaryFolder } from '../store/store-fixture.ts';
import { eventually } from '../support/wait.ts';

/** What a heartbeat made now would say, in the pool as for the node. */
async function reporting(made: TestStore): Promise<() => readonly string[]> {
  const { catalog, database } = made.store;
  const registrations = await Registrations.open({ database });
  const reported = new ReportedModels({ catalog, registrations, clock: systemClock });
  return () => {
    const { models_available, model_digests, pools } = heartbeatDocument({
      ...{ now: systemClock.now(), ready: true, incoming: [] },
      pools: [{ id: 'n', ready: true, draining: false, slotsTotal: 1, slotsFree: 1, vramFreeBytes: 0 }],
      available: reported.names(),
      digests: reported.digests(),
    });
    assert.deepEqual(pools[0]?.models_available, models_available);
    assert.deepEqual(Object.keys(model_digests).sort(), [...models_available].sort());
    return [...models_available].sort();
  };
}

const shard = (n: number): string => `llm/big-0000${n}-of-00003.gguf`;
const bytesOf = (path: string): string => `the bytes of ${path} `.repeat(200);
const FOLDER = ['pipeline/model_index.json', 'pipeline/unet/w.ckpt', 'pipeline/vae/w.ckpt'];

for (const [kind, files, touched, names] of [
  ['a model in shards', [1, 2, 3].map(shard), shard(2), ['big', 'llm/big.gguf']],
  ['a model that is a folder', FOLDER, 'pipeline/vae/w.ckpt', ['pipeline']],
] as const) {
  test(`${kind} is reported by all of its names while all of its files are as they were, and by none else`, async () => {
    await using folder = await temporaryFolder();
    await using made = await TestStore.start({ root: folder.path });
    const report = await reporting(made);
    const says = (what: string, expected: readonly string[]): Promise<unknown> =>
      eventually(`${what}: ${expected.join(', ')}`, () => report().join() === [...expected].sort().join(), {
        timeoutMs: 8_000,
        everyMs: 5,
      });
    const other = 'other.ckpt';
    await made.write(other, 'is not concerned');
    for (const path of files) await made.write(path, bytesOf(path));
    const whole = [...names, other, 'other'];
    await says('whole', whole);
    const digest = made.store.catalog.findModel(names[0])?.digest;

    const file = join(made.modelsDir, touched);
    const aside = join(folder.path, 'aside');
    const faults: readonly (readonly [string, () => Promise<void>])[] = [
      ['truncated', () => truncate(file, 100)],
      ['removed', () => rm(file)],
      ['moved away', () => rename(file, aside)],
    ];
    for (const [what, harm] of faults) {
      await harm();
      await says(what, [other, 'other']);
      await writeFile(file, bytesOf(touched));
      await says(`mended after it was ${what}`, whole);
      assert.equal(made.store.catalog.findModel(names[0])?.digest, digest);
    }
    // An edited file makes another model of it: it is withdrawn, and what comes back has another digest.
    let wasWithdrawn = false;
    made.store.catalog.on('change', () => {
      wasWithdrawn ||= !names.some((name) => report().includes(name));
    });
    await appendFile(file, 'edited');
    await eventually('withdrawn', () => wasWithdrawn, { timeoutMs: 8_000 });
    await says('with other bytes', whole);
    assert.notEqual(made.store.catalog.findModel(names[0])?.digest, digest);
    await writeFile(file, bytesOf(touched));
    await eventually('it is what it was', () => made.store.catalog.findModel(names[0])?.digest === digest);
    await says('mended after it was edited', whole);
  });
}
