import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UploadSlots } from '../../src/transfer/upload-slots.ts';
import { codeOf } from '../../src/util/errors.ts';

const never = new AbortController().signal;

test('whoever waits longest for an upload slot is next', async () => {
  const slots = new UploadSlots({ slots: 1 });
  const first = await slots.take(never);
  const order: string[] = [];
  const wait = async (name: string): Promise<void> => {
    const release = await slots.take(never);
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
  const slots = new UploadSlots({ slots: 1 });
  const release = await slots.take(never);
  const controller = new AbortController();
  const given = slots.take(controller.signal);
  const late = slots.take(never);
  controller.abort();
  await assert.rejects(given, { name: 'AbortError' });
  await assert.rejects(late, (error) => codeOf(error) === 'source-busy');
  release();
  assert.equal(slots.taken, 0);
});
