import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Model } from '../../src/content/model.ts';
import type { Offer } from '../../src/flows/offers.ts';
import { NodePools } from '../../src/flows/pools.ts';
import { Preloads, type PreloadsParts } from '../../src/flows/preloads.ts';
import { RegisteredModels, type RegisteredModelsParts } from '../../src/flows/registered-models.ts';
import { Registrations } from '../../src/flows/registrations.ts';
import type { ModelView } from '../../src/flows/views.ts';
import { Database } from '../../src/store/database.ts';
import { Wants } from '../../src/store/wants.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { eventually } from '../support/wait.ts';

const signal = new AbortController().signal;
const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;

/** Registered models and preloads over real tables; the disk and the fleet are what the test says. */
async function bench(t: TestContext) {
  const home = await mkdtemp(join(tmpdir(), 'shoal-preloads-'));
  const database = await Database.open(join(home, 'data'));
  const wants = await Wants.open({ database });
  const registrations = await Registrations.open({ database });
  const here = new Map<string, Model>();
  const offers = new Map<string, Pick<Offer, 'id' | 'digest'>>();
  const catalog = Object.assign(new EventEmitter(), {
    findModel: (name: string) => here.get(name),
    models: () => [...here.values()],
    name: () => Promise.resolve(),
  });
  const store = { database, wants, catalog, scanner: { firstScan: Promise.resolve() } };
  const locator = { onChange: () => () => undefined, offers: { withDigest: (digest: string) => offers.get(digest) } };
  const parts = {
    store,
    registrations,
    locator,
    wanted: { isActive: () => false },
    clock: systemClock,
    log: silentLog,
  };
  const options = { modelsDir: home, origins: [], bytesPerSecond: Infinity };
  const registered = new RegisteredModels(options, parts as unknown as RegisteredModelsParts);
  const pools = new NodePools({ name: 'pool-0', pools: [] }, { manager: undefined });
  const want = async (name: string): Promise<Pick<ModelView, 'id' | 'aliases'>> => {
    await wants.put({ name, since: 1, priority: 'high' });
    return { id: name, aliases: [] };
  };
  const preloads = await Preloads.open({ ...parts, pools, want } as unknown as PreloadsParts);
  const ending = new AbortController();
  const running = Promise.allSettled([registered.run(ending.signal), preloads.run(ending.signal)]);
  t.after(async () => {
    ending.abort();
    await running;
    await database[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });
  const register = (id: string, letter: string): Promise<void> =>
    registrations.put({ id, digest: digestOf(letter), since: 1, sourceUrl: 'https://models.example/m' });
  const offer = (id: string, letter: string): void => {
    offers.set(digestOf(letter), { id, digest: digestOf(letter) });
    catalog.emit('change');
  };
  const preload = (id: string) => preloads.preload('pool-0', { model_id: id, engine: 'llamacpp' }, signal);
  const pending = () => database.json('preloads').keys().all();
  return { wants, registrations, here, catalog, register, offer, preload, pending };
}

test('a preload of a model that is registered, and on its way already, is raised and pinned', async (t) => {
  const { wants, register, offer, preload } = await bench(t);
  await register('chat', 'a');
  offer('llm/chat.gguf', 'a');
  await eventually('it is wanted', () => wants.get('llm/chat.gguf'));
  assert.deepEqual(
    [wants.get('llm/chat.gguf')?.priority, wants.isPinned('llm/chat.gguf')],
    ['normal', false],
    'as long as nobody waits for it',
  );
  assert.equal((await preload('chat')).status, 202);
  await eventually('it is urgent', () => wants.get('llm/chat.gguf')?.priority === 'high');
  await eventually('it is to be kept', () => wants.isPinned('llm/chat.gguf'));
  assert.equal(wants.get('llm/chat.gguf')?.digest, digestOf('a'));
});

test('so is one that nobody offers yet, when somebody does', async (t) => {
  const { wants, registrations, register, offer, preload } = await bench(t);
  await register('chat', 'b');
  assert.equal((await preload('chat')).status, 202);
  assert.equal(registrations.get('chat')?.isUrgent, true, 'also over a restart');
  assert.deepEqual(wants.list(), []);
  offer('llm/chat.gguf', 'b');
  await eventually('it is urgent', () => wants.get('llm/chat.gguf')?.priority === 'high');
  assert.ok(wants.isPinned('llm/chat.gguf'));
});

test('what a person wants first stays so, and a model that has come is pinned', async (t) => {
  const { wants, here, catalog, register, offer, preload } = await bench(t);
  await wants.put({ name: 'llm/chat.gguf', since: 1, priority: 'high' });
  await register('chat', 'c');
  offer('llm/chat.gguf', 'c');
  await eventually('the digest is asked for', () => wants.get('llm/chat.gguf')?.digest !== undefined);
  assert.equal(wants.get('llm/chat.gguf')?.priority, 'high');
  await preload('chat');
  const model = { id: 'other/name.gguf', aliases: ['chat'], digest: digestOf('c'), sizeBytes: 1, files: [] };
  for (const name of ['chat', model.id]) here.set(name, model);
  catalog.emit('change');
  await eventually('it is kept under the name that it got', () => wants.isPinned('other/name.gguf'));
});

test('an order ends with the want of its model, and does not come back when the model does', async (t) => {
  const { wants, here, catalog, preload, pending } = await bench(t);
  assert.equal((await preload('llm/chat.gguf')).status, 202);
  assert.equal((await pending()).length, 1);
  await wants.unpin('llm/chat.gguf');
  await wants.delete('llm/chat.gguf');
  await eventually('the order is forgotten', async () => (await pending()).length === 0);
  here.set('llm/chat.gguf', { id: 'llm/chat.gguf', aliases: [], digest: digestOf('d'), sizeBytes: 1, files: [] });
  catalog.emit('change');
  assert.equal((await preload('other.gguf')).status, 202);
  assert.ok(!wants.isPinned('llm/chat.gguf'));
});
