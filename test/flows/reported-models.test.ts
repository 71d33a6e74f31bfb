import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { heartbeatDocument } from '../../src/flows/heartbeat-documents.ts';
import { Registrations } from '../../src/flows/registrations.ts';
import { ReportedModels } from '../../src/flows/reported-models.ts';
import { systemClock } from '../../src/util/clock.ts';
import { TestStore, temporaryFolder } from '../store/store-fixture.ts';
import { eventually } from '../support/wait.ts';

type Said = Readonly<Record<string, string>>;

/** What a heartbeat made now would say, in the pool as for the node: names and their digests. */
async function reporting(made: TestStore): Promise<() => Said> {
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
    return model_digests;
  };
}

const shard = (n: number): string => `llm/big-0000${n}-of-00003.gguf`;
const bytesOf = (path: string): string => `the bytes of ${path} `.repeat(200);
const FOLDER = ['pipeline/model_index.json', 'pipeline/unet/w.ckpt', 'pipeline/vae/w.ckpt'];

for (const [kind, files, touched, names] of [
  ['in shards', [1, 2, 3].map(shard), shard(2), ['big', 'llm/big.gguf']],
  ['that is a folder', FOLDER, 'pipeline/vae/w.ckpt', ['pipeline']],
] as const) {
  test(`a model ${kind} is vouched for by all of its names while all of its files are as they were`, async () => {
    await using folder = await temporaryFolder();
    await using made = await TestStore.start({ root: folder.path });
    const report = await reporting(made);
    /** What is said when everything has come to rest. */
    const saidAfter = async (what: string, isSaid: (said: Said) => boolean): Promise<Said> => {
      await eventually(what, () => isSaid(report()), { timeoutMs: 8_000, everyMs: 5 });
      await made.store.scanner.rescan();
      await made.atRest();
      assert.ok(isSaid(report()), `${what}, and not for a moment only: ${JSON.stringify(report())}`);
      return report();
    };
    await made.write('other.ckpt', 'is not concerned');
    for (const path of files) await made.write(path, bytesOf(path));
    const whole = await saidAfter('it is whole', (said) => [...names, 'other.ckpt'].every((name) => name in said));
    assert.deepEqual(Object.keys(whole).sort(), [...names, 'other', 'other.ckpt'].sort());
    const digest = whole[names[0]];
    assert.ok(names.every((name) => whole[name] === digest));

    const file = join(made.modelsDir, touched);
    const faults: readonly (readonly [string, () => Promise<void>])[] = [
      ['cut short', () => truncate(file, 100)],
      ['edited', () => appendFile(file, 'edited')],
      ['removed', () => rm(file)],
      ['moved away', () => rename(file, join(folder.path, 'aside'))],
    ];
    for (const [what, harm] of faults) {
      await harm();
      const said = await saidAfter(
        `withdrawn when a file is ${what}`,
        (now) => !Object.values(now).includes(digest ?? ''),
      );
      // A folder with one file less is a folder all the same, of other content; a shard less is no model.
      if (kind === 'in shards' && !existsSync(file)) assert.ok(!names.some((name) => name in said), what);
      assert.equal(said['other'], whole['other'], what);
      await writeFile(file, bytesOf(touched));
      assert.deepEqual(
        await saidAfter('back when it is mended', (now) => names.every((name) => now[name] === digest)),
        whole,
      );
    }
  });
}
