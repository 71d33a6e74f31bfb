import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { ModelLocator, type ModelLocatorParts, type OfferChange } from '../../src/flows/locate-models.ts';
import { OriginLists } from '../../src/flows/origin-lists.ts';
import type { Origin, OriginModel } from '../../src/transfer/origin.ts';
import { collectLog } from '../support/collect-log.ts';
import { VirtualClock } from '../transfer/virtual-clock.ts';

test('who follows what is offered is told the ids, and of an origin that says what it said before none', async () => {
  const { log } = collectLog();
  let listed: () => OriginModel[] = () => [{ id: 'a', aliases: [], files: [{ path: 'a', sizeBytes: 1 }] }];
  const origin = { url: 'file:///nas', list: () => Promise.resolve(listed()) } as unknown as Origin;
  const origins = new OriginLists({ origins: [origin], clock: new VirtualClock(), log });
  const fleet = new EventEmitter();
  const locator = new ModelLocator({ swarm: { fleet }, origins, log } as unknown as ModelLocatorParts);
  const told: OfferChange[] = [];
  locator.onChange((ids) => told.push(ids));

  fleet.emit('change', { added: [{ id: 'x' }], removed: ['y'] });
  assert.deepEqual(told.splice(0), [['x', 'y']]);

  const ending = new AbortController();
  const run = origins.run(ending.signal).catch(() => undefined);
  await origins.rescan();
  assert.deepEqual(told.splice(0), [undefined, []]);
  listed = () => {
    throw new Error('away');
  };
  await origins.rescan();
  assert.deepEqual(told.splice(0), [[]], 'its list stays as it was');
  listed = () => [];
  await origins.rescan();
  assert.deepEqual(told.splice(0), [undefined]);
  ending.abort();
  await run;
});
