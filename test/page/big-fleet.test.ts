import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { FleetNodeView, FleetView } from '../../src/flows/fleet-view.ts';
import { serve } from '../api/api-fixture.ts';
import { transferView } from '../api/fake-node.ts';
import { bigFleet } from './big-fleet.ts';
import { needsChromium, openBrowser, refreshPage } from './chromium.ts';
import { WatchedPage } from './watched-page.ts';

const SCRIPT_MAX_BYTES = 150_000;
const FREEZING_MS = 1_000;
/** A hundredth of what counts as good: figures whose text becomes wider in their own column. */
const SHIFT_MAX = 0.001;

test('200 nodes × 2,000 models are shown, searched and scrolled without freezing', {
  skip: needsChromium,
}, async (t) => {
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
  const firstLoadMs = await watched.longestTaskMs();
  const again = async (): Promise<void> => {
    await page.reload();
    await watched.untilLive();
  };
  const loadMs = firstLoadMs < FREEZING_MS ? firstLoadMs : await bestOf(watched, again);

  const typingMs = await bestOf(watched, async () => {
    await page.keyboard.press('/');
    for (const letter of 'juggernaut gpu-01') await page.keyboard.type(letter, { delay: 25 });
    await page.waitForFunction(() => /× 10 nodes/.test(document.querySelector('.found')?.textContent ?? ''));
    assert.match(await page.locator('#matrix .row .name').first().innerText(), /juggernaut/);
    await page.keyboard.press('Escape');
  });

  await page.locator('#matrix').hover();
  const scrollingMs = await bestOf(watched, async () => {
    for (let turn = 0; turn < 20; turn += 1) await page.mouse.wheel(turn % 4 === 0 ? 400 : 0, 700);
    await page.waitForTimeout(200);
  });
  const seen = await page.evaluate(() => {
    const box = document.querySelector('#matrix')!.getBoundingClientRect();
    const at = (x: number, y: number): string => document.elementFromPoint(box.left + x, box.top + y)?.className ?? '';
    return [at(120, 300), at(box.width - 60, box.height - 60)];
  });
  assert.match(seen[0]!, /name|folder|file/, 'rows are there after scrolling');
  assert.match(seen[1]!, /cell/, 'cells are there after scrolling');

  // Half a minute of a busy fleet in three seconds: what is where changes, and all that is on its way grows.
  const before = node.fleet.view;
  const liveMs = await bestOf(watched, async () => {
    for (let turn = 0; turn < 8; turn += 1) {
      node.fleet.change(...moved(before, turn));
      node.emit({ event: 'fleet', data: { revision: node.fleet.revision() } });
      for (const { id } of before.models.slice(0, 4)) {
        node.emit({ event: 'transfer', data: transferView(id, { bytesDone: 50_000 * turn, bytesPerSecond: 1e5 }) });
      }
      await page.waitForTimeout(250);
    }
    await page.waitForFunction(
      (count) => document.querySelector('#matrix')?.getAttribute('aria-rowcount') === count,
      `${before.models.length + 1 - 7}`,
    );
  });

  t.diagnostic(
    `first render ${Math.round(firstRenderMs)} ms; longest task: load ${loadMs} ms, typing ${typingMs} ms, scrolling ${scrollingMs} ms, live ${liveMs} ms`,
  );
  const shifts = await watched.shifts();
  const shift = shifts.reduce((sum, { value }) => sum + value, 0);
  assert.ok(
    // With all the searching and scrolling; a tenth of what counts as good.
    shift < 10 * SHIFT_MAX,
    `what is looked at has moved: ${shift} ${JSON.stringify(shifts.toSorted((a, b) => b.value - a.value).slice(0, 4))}`,
  );
  // Alone on two cores it is 160 ms for the load and 90 ms for the rest; here others want the processor too. With every cell drawn
  // it would be half a minute.
  for (const ms of [loadMs, typingMs, scrollingMs, liveMs]) assert.ok(ms < FREEZING_MS, `${ms} ms without an answer`);
  assert.deepEqual(watched.troubles, []);
  assert.ok(watched.requests.every((url) => url.startsWith(api.url)));
});

/** The longest task of the best of three rounds: what really freezes does so each time, what others do on this machine does not. */
async function bestOf(watched: WatchedPage, round: () => Promise<void>): Promise<number> {
  let best = Infinity;
  for (let turn = 0; turn < 3 && best >= FREEZING_MS; turn += 1) {
    await round();
    best = Math.min(best, await watched.longestTaskMs());
  }
  return best;
}

/** The same fleet `turn` models later: the last are gone, and everything on its way is nearer. */
function moved(fleet: FleetView, turn: number): [FleetNodeView[], Partial<FleetView>] {
  const models = fleet.models.slice(0, fleet.models.length - turn);
  const nodes = fleet.nodes.map((node) => ({
    ...node,
    cells: node.cells
      .filter(({ model }) => model < models.length)
      .map((cell) =>
        cell.bytesMissing === undefined ? cell : { ...cell, bytesMissing: Math.round(cell.bytesMissing * 0.9 ** turn) },
      ),
  }));
  return [nodes, { models }];
}

test('nothing moves when the fleet changes, and a screen reader is told', { skip: needsChromium }, async (t) => {
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
    document.querySelector('[data-row="0"] [aria-colindex="4"]')?.ariaLabel?.startsWith('incoming, 80'),
  );
  // One number for one thing: the list is newer than the fleet's document, so the matrix says what the list says.
  assert.equal(await cell.getAttribute('aria-label'), 'incoming, 80 %, 195 KiB missing, 0:09 left');
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
  // More than anybody reads are counted.
  const { models } = node.fleet.view;
  for (const model of models.slice(0, 45)) node.emit({ event: 'transfer', data: transferView(model.id, {}) });
  const more = (text: string): Promise<unknown> =>
    page.waitForFunction((wanted) => document.querySelector('.transfers')!.textContent.includes(wanted), text);
  await more('and 5 more on their way');
  assert.deepEqual(watched.troubles, []);
});

test('the script is small', async (t) => {
  await refreshPage();
  const directory = join(import.meta.dirname, '../../dist/page');
  const scripts = (await readdir(directory)).filter((name) => name.endsWith('.js'));
  assert.equal(scripts.length, 1);
  const { size } = await stat(join(directory, scripts[0]!));
  t.diagnostic(`${size} bytes of script`);
  assert.ok(size < SCRIPT_MAX_BYTES, `${size} bytes of script`);
});
