import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { benchmark } from '../../bench/fanout.ts';
import { missingForIsolation } from '../../bench/isolation.ts';
import { PROJECT_ROOT, spawnOwned } from '../support/child-process.ts';
import { insist, skipWithout } from '../support/needs.ts';
import { runCommand } from '../support/run-shoal.ts';
import { eventually } from '../support/wait.ts';

const BENCH = [process.execPath, join(PROJECT_ROOT, 'bench/run.ts'), 'fanout'];
const SMALL = ['--nodes', '3', '--mib', '8', '--mbit', '100', '--rounds', '1'];

const missing = [...missingForIsolation(), ...(benchmark.missing?.([]) ?? [])].join('; ') || false;
const skip = skipWithout(missing);

interface Report {
  readonly results: readonly [
    { readonly slowestSeconds: number; readonly nasCopies: number; readonly boundSeconds: number },
  ];
}

test('three nodes on shaped links fetch a file that only the NAS has', { skip }, async (t) => {
  insist(missing);
  const directory = await mkdtemp(join(tmpdir(), 'shoal-fanout-'));
  t.after(() => rm(directory, { recursive: true }));
  const picture = join(directory, 'spread.svg');
  const result = await runCommand([...BENCH, ...SMALL, '--picture', picture], { timeoutMs: 120_000 });
  assert.equal(result.code, 0, result.stderr);
  const report = JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as Report;
  const [{ slowestSeconds, boundSeconds, nasCopies }] = report.results;
  assert.ok(slowestSeconds > boundSeconds, 'a shaped link lets nobody beat the bound');
  assert.ok(nasCopies > 1 && nasCopies < 3.3, `the NAS sent ${nasCopies} copies`);
  const svg = await readFile(picture, 'utf8');
  assert.equal(svg.match(/<rect x=/g)?.length, 3, 'a strip for each node');
});

test('nothing of a fan-out outlives it, neither after SIGINT nor after SIGKILL', { skip }, async () => {
  insist(missing);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const) {
    const run = `fanout-${process.pid}-${signal}`;
    const owned = spawnOwned([...BENCH, '--nodes', '2', '--mib', '8'], {
      stdio: 'ignore',
      env: { ...process.env, FANOUT_RUN: run },
    });
    await eventually('daemons run', () => processesOf(run).filter((line) => line.includes(' daemon ')).length > 0, {
      timeoutMs: 60_000,
    });
    owned.child.kill(signal);
    assert.equal((await owned.exited).code, code);
    await eventually('all of it is gone', () => processesOf(run).length === 0, { timeoutMs: 5_000 });
  }
});

test('an option that does not exist is told, and ends with 2', async () => {
  const result = await runCommand([...BENCH, '--nodes', 'many']);
  assert.equal(result.code, 2);
  assert.match(result.stderr, /--nodes needs a positive number/);
});

/** Command lines of that run's processes; a daemon passes over what begins with SHOAL_, so the mark does not. */
function processesOf(run: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`FANOUT_RUN=${run}`)) return [];
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')];
      } catch {
        return []; // it has ended meanwhile
      }
    });
}
