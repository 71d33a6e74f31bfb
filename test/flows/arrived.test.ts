import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelDigest } from '../../src/content/model.ts';
import { FetchWantedModels, type FetchWantedParts } from '../../src/flows/fetch-wanted-models.ts';
import { NodeFacade, type NodeFacadeOptions, type NodeFacadeParts } from '../../src/flows/node-facade.ts';
import type { Offer } from '../../src/flows/offers.ts';
import type { Store } from '../../src/store/store.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { manifestFor, TestStore, temporaryFolder } from '../store/store-fixture.ts';
import { delay, eventually } from '../support/wait.ts';

/** Models whose bytes are here already, under other names. */
function offerOf(id: string, files: Readonly<Record<string, string>>): Offer {
  const offered = Object.entries(files).map(([path, text]) => {
    const { manifest, cid } = manifestFor(Buffer.from(text));
    return { path, sizeBytes: text.length, sha256: manifest.sha256, manifest: cid };
  });
  const sizeBytes = offered.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { id, aliases: [], digest: modelDigest(id, offered), sizeBytes, files: offered, peers: ['p'], origins: [] };
}

/** Whose clock stands still: what has failed once is not tried again. */
function wantedOf(store: Store, offer: Offer): FetchWantedModels {
  const locator = {
    onChange: () => () => undefined,
    failed: () => undefined,
    offers: {
      find: (id: string) => (id === offer.id ? offer : undefined),
      isRefuted: () => false,
      hasOther: () => false,
    },
  };
  const clock = { ...systemClock, now: () => systemClock.now(), monotonic: () => 1 };
  const fetch = {
    store,
    locator,
    clock: systemClock,
    copies: {},
    mount: () => undefined,
    nameOf: () => '',
    download: {},
  };
  return new FetchWantedModels({ store, locator, clock, log: silentLog, fetch } as unknown as FetchWantedParts);
}

function running(store: Store, offer: Offer): AsyncDisposable & { readonly wanted: FetchWantedModels } {
  const wanted = wantedOf(store, offer);
  const ending = new AbortController();
  const ended = wanted.run(ending.signal).catch(() => undefined);
  return {
    wanted,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await ended;
    },
  };
}

test('files that become part of another model here are not installed over and over', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('own/x.ckpt', 'bytes');
  await made.write('dir/config.json', '{}');
  await made.write('dir/w.ckpt', 'w');
  await made.seesModels('own/x.ckpt', 'dir');
  const offer = offerOf('dir/x.ckpt', { 'dir/x.ckpt': 'bytes' });
  await using loop = running(made.store, offer);
  const { wanted } = loop;
  let told = 0;
  wanted.on('transfer', () => {
    told += 1;
  });
  await made.store.wants.put({ name: offer.id, since: 0, priority: 'normal' });
  await eventually('it is said', () => wanted.problemOf(offer.id)?.code === 'conflict');
  for (let times = 0; times < 5; times += 1) {
    wanted.notify();
    await delay(10);
  }
  assert.equal(told, 2, 'it began once and ended once');
});

test('a model that has another file beside those that are wanted stays available', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const files = { 'dir/config.json': '{}', 'dir/w.ckpt': 'w' };
  for (const [path, text] of Object.entries(files)) await made.write(path, text);
  await made.write('dir/notes.txt', 'mine');
  await made.seesModels('dir');
  await made.atRest();
  const offer = offerOf('dir', files);
  await using loop = running(made.store, offer);
  const before = made.changes.length;
  await made.store.wants.put({ name: 'dir', since: 0, priority: 'normal', digest: offer.digest ?? '' });
  await eventually('it is said', () => loop.wanted.problemOf('dir')?.code === 'conflict');
  assert.deepEqual(made.changes.slice(before), []);
});

test('a model that is being put into place when it is removed is gone when the removal has ended', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('own/one.ckpt', 'bytes');
  await made.write('own/two.ckpt', '{}');
  await made.seesModels('own/one.ckpt', 'own/two.ckpt');
  const { store } = made;
  const installer = Object.create(store.installer) as typeof store.installer;
  const begun = Promise.withResolvers<undefined>();
  const goOn = Promise.withResolvers<undefined>();
  installer.install = async (...asked) => {
    begun.resolve(undefined);
    await goOn.promise;
    await store.installer.install(...asked);
  };
  installer.unfinished = () => [];
  const offer = offerOf('x', { 'x/config.json': '{}', 'x/x.ckpt': 'bytes' });
  const slow = Object.create(store, { installer: { value: installer } }) as typeof store;
  await using loop = running(slow, offer);
  const { wanted } = loop;
  const forgotten: string[] = [];
  const facade = new NodeFacade(
    {} as NodeFacadeOptions,
    {
      ...{ store, wanted, clock: systemClock },
      views: { get: (id: string) => ({ id, pinned: false }), damagedFiles: () => [] },
      orchestration: {
        withdrawn: () => Promise.resolve(),
        catalog: {
          forgetDigest: (digest: string) => {
            // Whoever has registered it would want it again at once.
            if (store.wants.get(offer.id) !== undefined) forgotten.push(digest);
            return Promise.resolve();
          },
        },
      },
    } as unknown as NodeFacadeParts,
  );
  await store.wants.put({ name: offer.id, since: 0, priority: 'normal', digest: offer.digest ?? '' });
  await begun.promise;
  const removing = facade.remove(offer.id);
  goOn.resolve(undefined);
  await removing;
  assert.equal(store.catalog.findModel(offer.id), undefined);
  assert.deepEqual(forgotten, [offer.digest]);
  await made.atRest();
  assert.deepEqual(made.ids(), ['own/one.ckpt', 'own/two.ckpt']);
});

test('what is registered of bytes that another model has stays registered when one of them is removed', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  for (const path of ['a.ckpt', 'b.ckpt']) await made.write(path, 'bytes');
  await made.seesModels('a.ckpt', 'b.ckpt');
  const { store } = made;
  const forgotten: string[] = [];
  const forgetDigest = (digest: string): Promise<void> => Promise.resolve(void forgotten.push(digest));
  const facade = new NodeFacade(
    {} as NodeFacadeOptions,
    {
      ...{ store, clock: systemClock },
      wanted: { callOff: (name: string) => store.wants.delete(name) },
      views: { get: (id: string) => ({ id, pinned: false }), damagedFiles: () => [] },
      orchestration: { withdrawn: () => Promise.resolve(), catalog: { forgetDigest } },
    } as unknown as NodeFacadeParts,
  );
  const digest = store.catalog.findModel('a.ckpt')?.digest;
  await facade.remove('a.ckpt');
  assert.deepEqual(forgotten, []);
  await facade.remove('b.ckpt');
  assert.deepEqual(forgotten, [digest]);
});

test('a wanted model is neither taken for another whose alias is its id, nor is that one removed with it', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('own/x.ckpt', 'bytes');
  await made.write('own/two.ckpt', '{}');
  await made.seesModels('own/x.ckpt', 'own/two.ckpt');
  const { store } = made;
  assert.equal(store.catalog.findModel('x')?.id, 'own/x.ckpt');
  const offer = offerOf('x', { 'x/config.json': '{}', 'x/w.ckpt': 'bytes' });
  const facadeOf = (wanted: Pick<FetchWantedModels, 'callOff'>): NodeFacade =>
    new NodeFacade(
      {} as NodeFacadeOptions,
      {
        ...{ store, wanted, clock: systemClock },
        views: { get: (id: string) => ({ id, pinned: false }), damagedFiles: () => [] },
        orchestration: {
          withdrawn: () => Promise.resolve(),
          catalog: { forgetDigest: () => Promise.resolve() },
        },
      } as unknown as NodeFacadeParts,
    );
  await store.wants.put({ name: 'x', since: 0, priority: 'normal' });
  await facadeOf({ callOff: (name) => store.wants.delete(name) }).remove('x');
  assert.deepEqual(made.ids(), ['own/two.ckpt', 'own/x.ckpt'], 'nothing else is deleted');
  await using loop = running(store, offer);
  loop.wanted.notify();
  await store.wants.put({ name: 'x', since: 0, priority: 'normal' });
  await made.seesModels('own/two.ckpt', 'own/x.ckpt', 'x');
});
