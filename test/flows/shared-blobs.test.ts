import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedBlobs } from '../../src/flows/shared-blobs.ts';

const never = new AbortController().signal;

test('a blob that two models have in common is fetched once', async () => {
  const shared = new SharedBlobs();
  const first = Promise.withResolvers<string>();
  let fetches = 0;
  const fetch = (): Promise<string> => {
    fetches += 1;
    return first.promise;
  };
  const both = Promise.all([shared.fetch('a', fetch, never), shared.fetch('a', fetch, never)]);
  const other = await shared.fetch('b', () => Promise.resolve('of b'), never);
  first.resolve('of a');
  assert.deepEqual(await both, [
    { path: 'of a', isShared: false },
    { path: 'of a', isShared: true },
  ]);
  assert.deepEqual([fetches, other.path], [1, 'of b']);
  assert.equal((await shared.fetch('a', () => Promise.resolve('anew'), never)).path, 'anew');
});

test('who waits for a fetch that comes to nothing begins one, for all that still wait', async () => {
  const shared = new SharedBlobs();
  const first = Promise.withResolvers<string>();
  const failing = shared.fetch('a', () => first.promise, never);
  let fetches = 0;
  const fetch = (): Promise<string> => {
    fetches += 1;
    return Promise.resolve('here');
  };
  const leaving = new AbortController();
  const left = shared.fetch('a', fetch, leaving.signal);
  const waiting = [shared.fetch('a', fetch, never), shared.fetch('a', fetch, never)];
  leaving.abort();
  await assert.rejects(left, { name: 'AbortError' });
  first.reject(new Error('not wanted any more'));
  await assert.rejects(failing, /not wanted any more/);
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ path }) => path),
    ['here', 'here'],
  );
  assert.equal(fetches, 1);
});
