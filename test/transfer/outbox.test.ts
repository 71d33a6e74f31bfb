import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Outbox } from '../../src/transfer/outbox.ts';

function box(): { outbox: Outbox<number>; posts: number[][] } {
  const posts: number[][] = [];
  return { outbox: new Outbox<number>((messages) => posts.push([...messages])), posts };
}

/** Time that passes as the test says. */
function time(t: TestContext): { pass(ms: number): void } {
  let nowMs = 1_000;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(performance, 'now', () => nowMs);
  return {
    pass: (ms) => {
      nowMs += ms;
      t.mock.timers.tick(ms);
    },
  };
}

test('all messages of a turn go together, in order', async () => {
  const { outbox, posts } = box();
  outbox.put(1);
  outbox.mention(2);
  outbox.put(3);
  assert.deepEqual(posts, []);
  await turn();
  await turn();
  assert.deepEqual(posts, [[1, 2, 3]]);
  outbox.put(4);
  await turn();
  await turn();
  assert.deepEqual(posts, [[1, 2, 3], [4]]);
});

test('a mention waits for company, and goes alone when none comes', async (t) => {
  const clock = time(t);
  const { outbox, posts } = box();
  outbox.mention(1);
  await turn();
  await turn();
  outbox.endTurn();
  assert.deepEqual(posts, []);
  outbox.put(2);
  await turn();
  await turn();
  assert.deepEqual(posts, [[1, 2]]);
  outbox.mention(3);
  clock.pass(250);
  assert.deepEqual(posts, [[1, 2], [3]]);
});

test('what may go soon goes at once after a pause, and else together with what follows', async (t) => {
  const clock = time(t);
  const { outbox, posts } = box();
  outbox.soon(1);
  await turn();
  await turn();
  assert.deepEqual(posts, [[1]]);
  outbox.soon(2);
  await turn();
  outbox.soon(3);
  await turn();
  assert.deepEqual(posts, [[1]]);
  clock.pass(50);
  assert.deepEqual(posts, [[1], [2, 3]]);
  outbox.soon(4);
  await turn();
  outbox.soon(5);
  outbox.put(6);
  await turn();
  await turn();
  assert.deepEqual(posts.slice(2).flat(), [4, 5, 6]);
  outbox.soon(7);
  outbox.endTurn();
  assert.deepEqual(posts.at(-1), [7]);
});

test('the end of a turn can be told, before a sleep', () => {
  const { outbox, posts } = box();
  outbox.put(1);
  outbox.endTurn();
  assert.deepEqual(posts, [[1]]);
  outbox.endTurn();
  assert.deepEqual(posts, [[1]]);
});
