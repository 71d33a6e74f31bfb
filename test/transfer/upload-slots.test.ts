import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UploadSlots } from '../../src/transfer/upload-slots.ts';
import { codeOf } from '../../src/util/errors.ts';

const never = new AbortController().signal;

test('whoever waits longest for an upload slot is next', async () => {
  const slots = new UploadSlots({ slots: 1, perPeer: 1 });
  const first = await slots.take('first', never);
  const order: string[] = [];
  const wait = async (name: string): Promise<void> => {
    const release = await slots.take(name, never);
    order.push(name);
    release();
    release();
  };
  const all = Promise.all([wait('a'), wait('b'), wait('c')]);
  first();
  await all;
  assert.deepEqual(order, ['a', 'b', 'c']);
  assert.equal(slots.taken, 0);
});

test('who waits too long is told to come later, and one who gives up takes no slot', async () => {
  const slots = new UploadSlots({ slots: 1, perPeer: 1 });
  const release = await slots.take('first', never);
  const controller = new AbortController();
  const given = slots.take('impatient', controller.signal);
  const late = slots.take('late', never);
  controller.abort();
  await assert.rejects(given, { name: 'AbortError' });
  await assert.rejects(late, (error) => codeOf(error) === 'source-busy');
  release();
  assert.equal(slots.taken, 0);
});

test('a peer that holds as many as one may have waits for its own, and others pass it', async () => {
  const slots = new UploadSlots({ slots: 3, perPeer: 2 });
  const held = await Promise.all([slots.take('a', never), slots.take('a', never)]);
  const order: string[] = [];
  const wait = async (name: string): Promise<() => void> => {
    const release = await slots.take(name, never);
    order.push(name);
    return release;
  };
  const third = wait('a');
  const others = await Promise.all([wait('b').then((release) => release()), wait('c').then((release) => release())]);
  assert.deepEqual(order, ['b', 'c']);
  assert.equal(others.length, 2);
  held[0]();
  (await third)();
  held[1]();
  assert.equal(slots.taken, 0);
});
