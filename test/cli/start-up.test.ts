import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { serve } from '../api/api-fixture.ts';
import { PROJECT_ROOT } from '../support/child-process.ts';
import { runShoal } from '../support/run-shoal.ts';

/** Every file that a command loads, by a resolve hook. */
function modulesOf(args: readonly string[]): string[] {
  const hook = `
    import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { console.log(url); return next(url, context); } });
  `;
  const { stdout } = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, `${PROJECT_ROOT}/src/main.ts`, ...args],
    { encoding: 'utf8', env: { PATH: process.env['PATH'], SHOAL_API: 'http://127.0.0.1:1' } },
  );
  return stdout.split('\n').filter((line) => line.startsWith('file:'));
}

test('client commands load no libp2p, no store and no parser of settings', () => {
  for (const args of [['--help'], ['status'], ['ls', '--json'], ['get', 'x', '--wait']]) {
    const loaded = modulesOf(args);
    assert.ok(
      loaded.some((url) => url.includes('/src/cli/program.ts')),
      args.join(' '),
    );
    const heavy = loaded.filter((url) =>
      /node_modules\/(@?libp2p|@chainsafe|level|fastify|typebox|yaml|undici|pino)|\/src\/(store|swarm|transfer|flows|api|daemon)/.test(
        url,
      ),
    );
    assert.deepEqual(heavy, [], args.join(' '));
  }
});

test('a command is there within half a second', async (t) => {
  const { api } = await serve(t);
  await runShoal(['status'], { api: api.url });
  const times: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const start = performance.now();
    assert.equal((await runShoal(['status'], { api: api.url })).code, 0);
    times.push(performance.now() - start);
  }
  t.diagnostic(`shoal status: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  assert.ok(Math.min(...times) < 500, `${Math.min(...times)} ms`);
});
