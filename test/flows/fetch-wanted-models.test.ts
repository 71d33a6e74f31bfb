import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { FetchWantedModels, type FetchWantedParts } from '../../src/flows/fetch-wanted-models.ts';
import type { Offer } from '../../src/flows/offers.ts';
import type { Want } from '../../src/store/wants.ts';
import { systemClock } from '../../src/util/clock.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { eventually } from '../support/wait.ts';

/** A store and a fleet of which only what the loop asks for is there. */
class Bench implements AsyncDisposable {
  readonly wants: Want[] = [];
  readonly unfinished = new Set<string>();
  readonly offers: Offer[] = [];
  readonly wanted: FetchWantedModels;
  abandon: (id: string) => Promise<void> = (id) => Promise.resolve(void this.unfinished.delete(id));
  reserve: (bytes: number) => Promise<never> = () => Promise.reject(new ShoalError('conflict', 'no room in this test'));
  readonly located = new Set<string>();
  readonly partials = new Set<string>();
  readonly copies = new Set<string>();
  begunBytes = 0;
  nowMs = 0;
  readonly #end = new AbortController();
  #running: Promise<void> | undefined;

  constructor() {
    const list = (): Want[] => this.wants;
    const store = {
      wants: Object.assign(new EventEmitter(), { list, get: (id: string) => list().find(({ name }) => name === id) }),
      catalog: Object.assign(new EventEmitter(), {
        findModel: () => undefined,
        locateBlob: (sha256: string) => (this.located.has(sha256) ? {} : undefined),
      }),
      scanner: { firstScan: Promise.resolve(undefined) },
      installer: { unfinished: () => [...this.unfinished], abandon: (id: string) => this.abandon(id) },
      partials: {
        find: (sha256: string) => (this.partials.has(sha256) ? { sha256 } : undefined),
        discard: (sha256: string) => Promise.resolve(void this.partials.delete(sha256)),
        claimedBytes: () => 0,
      },
      space: { reserve: (bytes: number) => this.reserve(bytes) },
    };
    const locator = {
      onChange: () => () => undefined,
      failed: () => undefined,
      offers: {
        find: (id: string) => this.offers.find((offer) => offer.id === id),
        isRefuted: () => false,
        hasOther: () => false,
      },
    };
    const clock = { ...systemClock, now: () => systemClock.now(), monotonic: () => this.nowMs };
    const copies = {
      begunBytes: () => Promise.resolve(this.begunBytes),
      discard: (_origin: unknown, path: string) => Promise.resolve(void this.copies.delete(path)),
    };
    const fetch = { store, clock, locator, copies, mount: () => ({ url: 'file:///nas' }) };
    const parts = { store, locator, clock, log: silentLog, fetch };
    this.wanted = new FetchWantedModels(parts as unknown as FetchWantedParts);
  }

  run(): void {
    this.#running = this.wanted.run(this.#end.signal);
    this.#running.catch(() => undefined);
  }

  want(name: string): void {
    this.wants.push({ name, since: 0, priority: 'normal' });
    const files = [{ path: name, sizeBytes: 7, sha256: 'a'.repeat(64), manifest: 'm' }];
    this.offers.push({ id: name, aliases: [], sizeBytes: 7, files, peers: ['p'], origins: [] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#running?.catch(() => undefined);
  }
}

test('what cannot be taken back is tried again, and everything else goes on', async () => {
  await using bench = new Bench();
  let attempts = 0;
  bench.unfinished.add('half');
  bench.abandon = (id) => {
    attempts += 1;
    if (attempts <= 2) return Promise.reject(Object.assign(new Error('read-only file system'), { code: 'EROFS' }));
    bench.unfinished.delete(id);
    return Promise.resolve();
  };
  bench.want('other');
  bench.run();
  await eventually('the half model is taken back', () => {
    bench.wanted.notify();
    return bench.unfinished.size === 0;
  });
  assert.equal(attempts, 3);
  assert.equal(bench.wanted.problemOf('other')?.code, 'conflict');
});

test('attempts that came to nothing are not piled up, and the last of each model is told', async () => {
  await using bench = new Bench();
  for (const name of ['a', 'b']) bench.want(name);
  let attempts = 0;
  bench.reserve = () => {
    attempts += 1;
    return Promise.reject(new ShoalError('conflict', `attempt ${attempts}`));
  };
  bench.run();
  await eventually('many attempts', () => {
    bench.nowMs += 40_000;
    bench.wanted.notify();
    return attempts >= 12;
  });
  const ended = bench.wanted.transfers();
  assert.deepEqual(ended.map(({ model }) => model).sort(), ['a', 'b']);
});

test('room is asked for each blob once, and not for one that is here under another name', async () => {
  await using bench = new Bench();
  const file = (path: string, sha256: string): Offer['files'][number] => ({
    path,
    sizeBytes: 100,
    sha256,
    manifest: 'm',
  });
  const files = [file('m/a', 'a'), file('m/twin', 'a'), file('m/b', 'b'), file('m/here', 'here')];
  bench.wants.push({ name: 'm', since: 0, priority: 'normal' });
  bench.offers.push({ id: 'm', aliases: [], sizeBytes: 400, files, peers: ['p'], origins: [] });
  bench.located.add('here');
  const asked: number[] = [];
  bench.reserve = (bytes) => {
    asked.push(bytes);
    return Promise.reject(new ShoalError('disk-full', 'no room in this test'));
  };
  bench.run();
  await eventually('it is asked for', () => asked.length > 0);
  assert.equal(asked[0], 200);
  // Refused, so that nothing is under way: it is missing all the same, but not a second time for another model.
  await eventually('it was refused', () => bench.wanted.problemOf('m')?.code === 'disk-full');
  bench.wants.push({ name: 'n', since: 0, priority: 'normal' });
  bench.offers.push({ id: 'n', aliases: [], sizeBytes: 200, files: files.slice(1, 3), peers: ['p'], origins: [] });
  assert.equal(await bench.wanted.missingBytes(), 200);
});

test('what an interrupted copy has left on the disk needs no room', async () => {
  await using bench = new Bench();
  bench.wants.push({ name: 'raw', since: 0, priority: 'normal' });
  const files = [{ path: 'raw', sizeBytes: 100 }];
  bench.offers.push({ id: 'raw', aliases: [], sizeBytes: 100, files, peers: [], origins: ['file:///nas'] });
  bench.begunBytes = 70;
  const asked: number[] = [];
  bench.reserve = (bytes) => {
    asked.push(bytes);
    return Promise.reject(new ShoalError('disk-full', 'no room in this test'));
  };
  bench.run();
  await eventually('it is asked for', () => asked.length > 0);
  assert.equal(asked[0], 30);
});

test('what is not wanted any more leaves nothing behind but what another model needs', async () => {
  await using bench = new Bench();
  const file = (path: string, sha256?: string): Offer['files'][number] => ({
    path,
    sizeBytes: 100,
    ...(sha256 === undefined ? {} : { sha256, manifest: 'm' }),
  });
  const peers = { aliases: [], sizeBytes: 200, peers: ['p'], origins: [] };
  bench.offers.push({ ...peers, id: 'a', files: [file('a/own', 'own'), file('a/vae', 'vae')] });
  bench.offers.push({ ...peers, id: 'b', files: [file('b/vae', 'vae')] });
  bench.offers.push({ ...peers, id: 'raw', files: [file('raw')], origins: ['file:///nas'] });
  for (const name of ['a', 'b', 'raw']) bench.wants.push({ name, since: 0, priority: 'normal' });
  for (const sha256 of ['own', 'vae']) bench.partials.add(sha256);
  bench.copies.add('raw');
  bench.run();
  await eventually('all are tried', () =>
    ['a', 'b', 'raw'].every((name) => bench.wanted.problemOf(name) !== undefined),
  );
  assert.equal(bench.partials.size, 2);
  // Nobody offers it any more, either.
  bench.offers.splice(0, 1);
  bench.wants.splice(0, 1);
  bench.wants.splice(1, 1);
  await eventually('its own pieces are gone', () => {
    bench.wanted.notify();
    return !bench.partials.has('own') && bench.copies.size === 0;
  });
  assert.deepEqual([...bench.partials], ['vae']);
});
