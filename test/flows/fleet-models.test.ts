import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Model } from '../../src/content/model.ts';
import { FleetModels } from '../../src/flows/fleet-models.ts';
import type { Offer } from '../../src/flows/offers.ts';

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;

function model(id: string, digit: string, more: Partial<Model> = {}): Model {
  const file = { path: id, sizeBytes: 7, sha256: digit.repeat(64), manifest: 'm' };
  return { id, aliases: [], digest: digest(digit), sizeBytes: 7, files: [file], ...more };
}

const offer = (like: Model, origins: readonly string[] = []): Offer => ({ ...like, peers: ['p'], origins });

test('all that anybody has, offers or wants is one list, by id', () => {
  const here = model('b.gguf', '1', { aliases: ['b', 'bee'] });
  const models = FleetModels.of([offer(model('a.gguf', '2'), ['file:///nas'])], [here], ['wanted.gguf', 'b.gguf']);
  assert.deepEqual(models.views, [
    { id: 'a.gguf', digest: digest('2'), sizeBytes: 7, origins: 1 },
    { id: 'b.gguf', aliases: ['bee'], digest: digest('1'), sizeBytes: 7 },
    { id: 'wanted.gguf' },
  ]);
  assert.equal(models.indexOf('wanted.gguf'), 2);
  assert.equal(models.indexOfBlob('2'.repeat(64)), 0);
  assert.equal(models.indexOfBlob('1'.repeat(64)), 1, 'also where only this node has it: others fetch it from here');
});

test('a node with other bytes under the same id is told apart', () => {
  const models = FleetModels.of([offer(model('a.gguf', '2')), offer(model('b.gguf', '3'))], [], []);
  const column = models.column({}, [model('a.gguf', '9'), model('b.gguf', '3'), model('unknown.gguf', '4')]);
  assert.deepEqual([...Buffer.from(column.installed, 'base64')], [0b11000000]);
  assert.deepEqual(column.differing, [0]);
});
