import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Model } from '../../src/content/model.ts';
import { FleetModels } from '../../src/flows/fleet-models.ts';
import { LatestFleetModels } from '../../src/flows/latest-fleet-models.ts';
import type { Offer } from '../../src/flows/offers.ts';
import { seededRandom } from '../../src/util/random.ts';

const SHAS = Array.from({ length: 60 }, (_, index) => index.toString(16).padStart(64, '0'));

function model(id: string, sha256: string, aliases: readonly string[] = []): Model {
  const file = { path: id, sizeBytes: 7, sha256, manifest: `m${sha256}` };
  return { id, aliases, digest: `sha256:${sha256}`, sizeBytes: 7, files: [file] };
}

/** What others offer, what is here and what is wanted, all of which may change; counts how often all of it is looked at. */
class Fleet {
  readonly offered = new Map<string, Offer>();
  readonly here = new Map<string, Model>();
  readonly wanted = new Set<string>();
  readonly clock = { ms: 0, monotonic: (): number => this.clock.ms };
  walks = 0;

  latest(): LatestFleetModels {
    const named = <T extends { aliases: readonly string[] }>(of: Map<string, T>, name: string): T | undefined =>
      of.get(name) ?? [...of.values()].find(({ aliases }) => aliases.includes(name));
    const walked = (): IterableIterator<Offer> => {
      this.walks += 1;
      return this.offered.values();
    };
    return new LatestFleetModels(
      {
        offers: () => ({ [Symbol.iterator]: walked, find: (name) => named(this.offered, name) }),
        own: () => this.here.values(),
        findOwn: (name) => named(this.here, name),
        unfinished: () => [...this.wanted].filter((id) => !this.here.has(id)),
      },
      { clock: this.clock },
    );
  }

  anew(): FleetModels {
    return FleetModels.of(
      this.offered.values(),
      this.here.values(),
      [...this.wanted].filter((id) => !this.here.has(id)),
    );
  }
}

test('whatever has changed, the models are those that a look at everything finds', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const fleet = new Fleet();
    const latest = fleet.latest();
    for (let step = 0; step < 30; step += 1) {
      const id = one(ids);
      const made = model(
        id,
        one(SHAS.filter((_, index) => index % ids.length === ids.indexOf(id))),
        random() < 0.3 ? [one(ids)] : [],
      );
      const kind = Math.floor(random() * 6);
      if (kind === 0) fleet.offered.set(id, { ...made, peers: ['p'], origins: random() < 0.3 ? ['file:///nas'] : [] });
      else if (kind === 1) fleet.offered.delete(id);
      else if (kind === 2) fleet.here.set(id, made);
      else if (kind === 3) fleet.here.delete(id);
      else if (kind === 4) fleet.wanted.add(id);
      else fleet.wanted.delete(id);
      latest.changed([id]);
      if (random() < 0.5) continue;
      const [now, anew] = [latest.now(), fleet.anew()];
      assert.deepEqual(now.views, anew.views, `seed ${seed}, step ${step}`);
      for (const name of ids) assert.equal(now.indexOf(name), anew.indexOf(name), `seed ${seed}, step ${step}`);
      const all = [...fleet.here.values()];
      assert.deepEqual(now.column({}, all), anew.column({}, all), `seed ${seed}, step ${step}`);
      for (const { files, id: of } of fleet.offered.values())
        assert.equal(now.indexOfBlob(files[0]?.sha256 ?? ''), now.indexOf(of), `seed ${seed}, step ${step}`);
    }
    assert.equal(fleet.walks, 1, 'all of it was looked at once, in the beginning');
  }
});

test('news that change no model leave all as it is, and so what was made of it', () => {
  const fleet = new Fleet();
  fleet.offered.set('a', { ...model('a', SHAS[1] ?? ''), peers: ['p'], origins: [] });
  const latest = fleet.latest();
  const before = latest.now();
  fleet.offered.set('a', { ...model('a', SHAS[1] ?? ''), peers: ['p', 'q'], origins: [] });
  latest.changed(['a']);
  latest.changed([]);
  assert.equal(latest.now(), before);
});

test('where any may have changed, or many have, all is looked at once', () => {
  const fleet = new Fleet();
  const latest = fleet.latest();
  latest.now();
  latest.changed(undefined);
  latest.now();
  assert.equal(fleet.walks, 2);
  const many = Array.from({ length: 1_000 }, (_, index) => model(`m${index}`, SHAS[0] ?? ''));
  for (const one of many) fleet.offered.set(one.id, { ...one, peers: ['p'], origins: [] });
  latest.changed(many.map(({ id }) => id));
  assert.equal(latest.now().views.length, 1_000);
  assert.equal(fleet.walks, 3);
});

test('when nobody has asked for a while nothing is kept', () => {
  const fleet = new Fleet();
  const latest = fleet.latest();
  latest.now();
  fleet.clock.ms += 60_000;
  latest.changed(['a']);
  latest.now();
  assert.equal(fleet.walks, 2);
});
