import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { serve } from '../api/api-fixture.ts';
import { transferView } from '../api/fake-node.ts';
import { bigFleet } from './big-fleet.ts';
import { openBrowser } from './chromium.ts';
import { WatchedPage } from './watched-page.ts';

const SCRIPT_MAX_BYTES = 150_000;
const FREEZING_MS = 3_000;
/** A hundredth of what counts as good: figures whose text becomes wider in their own column. */
const SHIFT_MAX = 0.001;

test('200 nodes × 2,000 models are shown, searched and scrolled without freezing', async (t) => {
  const { node, api } = await serve(t);
  node.fleet.view = bigFleet({ nodes: 200, models: 2_000 });
  const browser = await openBrowser(t);
  const watched = await WatchedPage.open(browser, api.url);
  const { page } = watched;
  await watched.untilLive();
  const firstRenderMs = await page.evaluate(() => performance.now());
  assert.equal(await page.locator('#matrix').getAttribute('aria-rowcount'), '2001');
  assert.equal(await page.locator('#matrix').getAttribute('aria-colcount'), '203');
  const cells = await page.locator('#matrix [role=gridcell]').count();
  assert.ok(cells < 4_000, `${cells} cells exist, of 400,000`);
  const loadMs = await watched.longestTaskMs();

  await page.keyboard.press('/');
  for (const letter of 'juggernaut gpu-01') await page.keyboard.type(letter, { delay: 25 });
  await page.waitForFunction(() => /× 10 nodes/.test(document.querySelector('.found')?.textContent ?? ''));
  const typingMs = await watched.longestTaskMs();
  assert.match(await page.locator('#matrix .row .name').first().innerText(), /juggernaut/);
  await page.keyboard.press('Escape');

  await page.locator('#matrix').hover();
  for (let turn = 0; turn < 40; turn += 1) await page.mouse.wheel(turn % 4 === 0 ? 400 : 0, 700);
  await page.waitForTimeout(200);
  const scrollingMs = await watched.longestTaskMs();
  const seen = await page.evaluate(() => {
    const box = document.querySelector('#matrix')!.getBoundingClientRect();
    const at = (x: number, y: number): string => document.elementFromPoint(box.left + x, box.top + y)?.className ?? '';
    return [at(120, 300), at(box.width - 60, box.height - 60)];
  });
  assert.match(seen[0]!, /name|folder|file/, 'rows are there after scrolling');
  assert.match(seen[1]!, /cell/, 'cells are there after scrolling');

  t.diagnostic(
    `first render ${Math.round(firstRenderMs)} ms; longest task: load ${loadMs} ms, typing ${typingMs} ms, scrolling ${scrollingMs} ms`,
  );
  // Of freezing, not of this machine's speed: with every cell drawn it would be half a minute.
  for (const ms of [loadMs, typingMs, scrollingMs]) assert.ok(ms < FREEZING_MS, `${ms} ms without an answer`);
  assert.deepEqual(watched.troubles, []);
  assert.ok(watched.requests.every((url) => url.startsWith(api.url)));
});

test('nothing moves when the fleet changes, and a screen reader is told', async (t) => {
  const { node, api } = await serve(t);
  node.fleet.view = bigFleet({ nodes: 12, models: 60 });
  const browser = await openBrowser(t);
  const watched = await WatchedPage.open(browser, api.url);
  const { page } = watched;
  await watched.untilLive();
  const [first, ...others] = node.fleet.view.nodes;
  const cells = [{ model: 0, state: 'fetching', bytesTotal: 100, bytesMissing: 57 } as const];
  const id = node.fleet.view.models[0]!.id;
  node.fleet.change([{ ...first!, cells }, ...others]);
  for (let step = 0; step < 5; step += 1) {
    const bytesDone = 200_000 * step;
    node.emit({ event: 'transfer', data: transferView(id, { bytesDone, bytesPerSecond: 1e5, etaMs: 9_000 }) });
    node.emit({ event: 'fleet', data: { revision: node.fleet.revision() } });
    await page.waitForTimeout(100);
  }
  node.emit({ event: 'model', data: { id, state: 'installed' } });
  const cell = page.locator('#matrix [data-row="0"] [aria-colindex="4"]');
  await page.waitForFunction(() =>
    document.querySelector('[data-row="0"] [aria-colindex="4"]')?.ariaLabel?.startsWith('incoming'),
  );
  assert.equal(await cell.getAttribute('aria-label'), 'incoming, 43 %, 57 B missing');
  assert.match(await page.locator('.transfers').innerText(), /80 %/);
  await page.waitForFunction(
    () => /installed/.test(document.querySelector('[aria-live]')?.textContent ?? ''),
    undefined,
    {
      timeout: 7_000,
    },
  );
  const shifts = await watched.shifts();
  const sum = shifts.reduce((total, { value }) => total + value, 0);
  assert.ok(sum < SHIFT_MAX, JSON.stringify(shifts));
  assert.deepEqual(watched.troubles, []);
});

test('the script is small', async (t) => {
  await openBrowser(t);
  const directory = join(import.meta.dirname, '../../dist/page');
  const scripts = (await readdir(directory)).filter((name) => name.endsWith('.js'));
  assert.equal(scripts.length, 1);
  const { size } = await stat(join(directory, scripts[0]!));
  t.diagnostic(`${size} bytes of script`);
  assert.ok(size < SCRIPT_MAX_BYTES, `${size} bytes of script`);
});
