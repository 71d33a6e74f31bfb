import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DownloadQueue, type Job, SMALL_BLOB_BYTES, type Turn } from '../../src/transfer/download-queue.ts';

const GIB = 2 ** 30;
const LIMITS = { maxBulk: 2, maxSmall: 1, maxIdle: 1 };

/** Jobs that run until they are told to end. */
class Stage {
  readonly queue = new DownloadQueue(LIMITS);
  readonly started: string[] = [];
  readonly turns = new Map<string, Turn>();
  readonly #ends = new Map<string, () => void>();
  readonly #stop = new AbortController();

  enter(sha256: string, job: Partial<Job> = {}, signal = this.#stop.signal): Promise<string> {
    const work = (turn: Turn, workSignal: AbortSignal): Promise<string> => {
      this.started.push(sha256);
      this.turns.set(sha256, turn);
      return new Promise((resolve, reject) => {
        this.#ends.set(sha256, () => resolve(sha256));
        workSignal.addEventListener('abort', () => reject(workSignal.reason as Error), { once: true });
      });
    };
    return this.queue.run({ sha256, sizeBytes: 5 * GIB, priority: 'normal', ...job }, work, signal);
  }

  async end(sha256: string): Promise<void> {
    this.#ends.get(sha256)?.();
    await settle();
  }

  idle(sha256: string, idle: boolean): Promise<void> {
    this.turns.get(sha256)?.setIdle(idle);
    return settle();
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('only so many bulk blobs are fetched at a time, and small ones do not wait for them', async () => {
  const stage = new Stage();
  for (const sha of ['a', 'b', 'c']) void stage.enter(sha);
  void stage.enter('lora', { sizeBytes: SMALL_BLOB_BYTES });
  void stage.enter('lora2', { sizeBytes: 1000 });
  await settle();
  assert.deepEqual(stage.started, ['a', 'b', 'lora']);
  assert.deepEqual(
    stage.queue.waiting.map((job) => job.sha256),
    ['lora2', 'c'],
  );
  await stage.end('lora');
  await stage.end('a');
  assert.deepEqual(stage.started, ['a', 'b', 'lora', 'lora2', 'c']);
});

test('high priority goes first, also when it is raised while waiting; otherwise first come, first served', async () => {
  const stage = new Stage();
  for (const sha of ['a', 'b', 'c', 'd', 'e']) void stage.enter(sha);
  void stage.enter('urgent', { priority: 'high' });
  await settle();
  assert.ok(stage.queue.setPriority('e', 'high'));
  assert.ok(!stage.queue.setPriority('a', 'high'), 'a runs already');
  for (const sha of ['a', 'b', 'e', 'urgent']) await stage.end(sha);
  assert.deepEqual(stage.started, ['a', 'b', 'e', 'urgent', 'c', 'd']);
});

test('a job that nobody gives anything makes room for the next', async () => {
  const stage = new Stage();
  for (const sha of ['a', 'b', 'c']) void stage.enter(sha);
  await settle();
  await stage.idle('a', true);
  assert.deepEqual(stage.started, ['a', 'b', 'c']);
  assert.equal(stage.queue.active.length, 3);
});

test('when too many idle jobs pile up the oldest is queued again behind those who wait', async () => {
  const stage = new Stage();
  const first = stage.enter('a');
  for (const sha of ['b', 'c', 'd', 'e']) void stage.enter(sha);
  await settle();
  await stage.idle('a', true);
  await stage.idle('b', true);
  // One may stay idle; a was idle first and steps aside.
  assert.deepEqual(stage.started, ['a', 'b', 'c', 'd']);
  assert.deepEqual(
    stage.queue.waiting.map((job) => job.sha256),
    ['e', 'a'],
  );
  await stage.end('c');
  await stage.end('d');
  assert.deepEqual(stage.started, ['a', 'b', 'c', 'd', 'e', 'a']);
  await stage.end('a');
  assert.equal(await first, 'a');
});

test('who gives up while waiting leaves the queue; who gives up while running makes room', async () => {
  const stage = new Stage();
  const stop = new AbortController();
  const running = stage.enter('a', {}, stop.signal);
  void stage.enter('b');
  const waiting = stage.enter('c', {}, stop.signal);
  void stage.enter('d');
  await settle();
  stop.abort(new DOMException('enough', 'AbortError'));
  await assert.rejects(running, { name: 'AbortError' });
  await assert.rejects(waiting, { name: 'AbortError' });
  await settle();
  assert.deepEqual(stage.started, ['a', 'b', 'd']);
});

test('a job that fails makes room and its error reaches the caller', async () => {
  const queue = new DownloadQueue({ maxBulk: 1, maxSmall: 1, maxIdle: 1 });
  const { signal } = new AbortController();
  const job: Job = { sha256: 'a', sizeBytes: GIB, priority: 'normal' };
  await assert.rejects(
    queue.run(job, () => Promise.reject(new Error('broken')), signal),
    /broken/,
  );
  assert.equal(await queue.run(job, () => Promise.resolve(7), signal), 7);
});
