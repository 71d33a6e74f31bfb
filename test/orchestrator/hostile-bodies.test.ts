import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Heartbeat } from '../../src/orchestrator/documents.ts';
import { OrchestratorProcess } from '../support/orchestrator-process.ts';
import { recorded, registration } from './fleet-fixture.ts';

const MIB = 2 ** 20;
const AT_ONCE = 12;
const ENDLESS_MIB = 256;

interface Answer {
  /** 0 when the connection was cut before an answer. */
  readonly status: number;
  readonly body: string;
  readonly sentBytes: number;
}

/** Sends the chunks as long as they are taken, by `Transfer-Encoding: chunked` unless a length is told. */
function post(url: string, chunks: Iterable<string>, contentLength?: number): Promise<Answer> {
  return new Promise((resolve) => {
    let sentBytes = 0;
    let isOver = false;
    const end = (status: number, body: string): void => {
      isOver = true;
      resolve({ status, body, sentBytes });
      sent.destroy();
    };
    const sent = request(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(contentLength === undefined ? {} : { 'content-length': contentLength }),
      },
    });
    sent.on('error', () => end(0, ''));
    sent.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('close', () => end(response.statusCode ?? 0, body));
    });
    const rest = chunks[Symbol.iterator]();
    const more = (): void => {
      while (!isOver) {
        const next: IteratorResult<string, unknown> = rest.next();
        if (next.done === true) return void sent.end();
        sentBytes += next.value.length;
        if (!sent.write(next.value)) return void sent.once('drain', more);
      }
    };
    more();
  });
}

function* endless(mib: number): Generator<string> {
  yield '{"models_available":["';
  const text = 'x'.repeat(MIB);
  for (let count = 0; count < mib; count += 1) yield text;
}

async function memoryOf(pid: number): Promise<{ nowMib: number; peakMib: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
  return { nowMib: mib('VmRSS'), peakMib: mib('VmHWM') };
}

test('bodies that are too large or never end cost a real orchestrator no memory, whether they tell a length or not', {
  timeout: 60_000,
}, async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'shoal-hostile-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  await using orchestrator = await new OrchestratorProcess({ home }).start();
  const client = orchestrator.client();
  const { signal } = new AbortController();
  await client.register(registration('n'), signal);
  const url = `${orchestrator.url}/v2/nodes/n/heartbeat`;
  const before = await memoryOf(orchestrator.pid);

  const heartbeat = recorded('upstream-heartbeat') as Heartbeat;
  const million = JSON.stringify({ ...heartbeat, models_available: new Array<string>(1_000_000).fill('m') });
  for (const length of [million.length, undefined]) {
    const { status, body } = await post(url, [million], length);
    assert.equal(status, 400);
    assert.match(body, /models_available has 1000000 entries, and 20000 are the most/);
  }
  const many = await Promise.all(Array.from({ length: AT_ONCE }, () => post(url, endless(ENDLESS_MIB))));
  for (const { status, sentBytes } of many) {
    assert.ok([0, 413, 429, 503].includes(status), `${status}`);
    assert.ok(sentBytes < ENDLESS_MIB * MIB, 'it was not read to the end');
  }
  const { peakMib } = await memoryOf(orchestrator.pid);
  t.diagnostic(`${before.nowMib} MiB before, ${peakMib} MiB at most`);
  assert.ok(peakMib - before.nowMib < 200, `${before.nowMib} → ${peakMib} MiB`);
  await client.heartbeat('n', { ...heartbeat, timestamp: new Date().toISOString() }, signal);
  assert.equal((await client.node('n', signal)).status, 'Online', 'it goes on');
});
