import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { OrchestratorClient } from '../../src/orchestrator/client.ts';
import { makeSafetensors } from '../support/make-safetensors.ts';
import { OrchestratorProcess } from '../support/orchestrator-process.ts';
import { TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';
import { needsChromium, openBrowser } from './chromium.ts';
import { WatchedPage } from './watched-page.ts';

const MODEL = 'checkpoints/juggernaut.safetensors';
const SIZE_BYTES = 24 * 2 ** 20;

test('a person gets a model here, sees its pieces come and the daemon go and come back', {
  skip: needsChromium,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const orchestrator = await bed
    .own(new OrchestratorProcess({ home: await bed.makeDirectory('orchestrator') }))
    .start();
  const orchestrators = [orchestrator.url];
  const models = await bed.makeDirectory('gpu-1/models/checkpoints');
  await makeSafetensors(join(models, 'juggernaut.safetensors'), {
    family: 'sdxl',
    sizeBytes: SIZE_BYTES,
    seed: 'page',
  });
  const one = await bed.daemon('gpu-1', { orchestrators });
  const two = await bed.daemon('gpu-2', { orchestrators, args: ['--down-limit', '6MiB', '--lane', '127.0.0.1:0'] });
  await one.waitForModel(MODEL);
  const browser = await openBrowser(t);

  const watched = await WatchedPage.open(browser, two.api);
  const { page } = watched;
  await watched.untilLive();
  assert.equal(await page.title(), 'Shoal');
  await page.locator(`.name[title="${MODEL}"]`).waitFor();
  const cell = page.locator('[data-row="0"] [aria-colindex="4"]');
  assert.equal(await cell.getAttribute('aria-label'), 'missing');
  assert.match(await page.locator('.peers').innerText(), /gpu-1/);
  for (const name of ['Disk of this node', 'Disk of gpu-1']) {
    const disk = page.getByRole('meter', { name });
    await disk.waitFor();
    assert.match((await disk.getAttribute('aria-valuetext')) ?? '', /[\d.]+ [KMGT]iB of [\d.]+ [KMGT]iB/);
  }

  // By keyboard alone: into the grid, to this node's cell, open it, press the first button.
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.className), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'rowheader');
  for (let step = 0; step < 3; step += 1) await page.keyboard.press('ArrowRight');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'missing');
  await page.keyboard.press('Enter');
  const getHere = page.getByRole('button', { name: 'Get here' });
  await getHere.focus();
  await page.keyboard.press('Enter');

  await page.getByRole('progressbar').waitFor();
  const map = page.locator('.pieces canvas');
  await map.waitFor();
  assert.match((await map.getAttribute('aria-label')) ?? '', /\d+ of 96 pieces of 256 KiB here/);
  // The other daemon, asked for the first time, knows how far this one is; so does `shoal fleet` there.
  const other = new OrchestratorClient({ url: one.api });
  const coming = await eventually('the other daemon has heard of it', async () => {
    const { models: known, nodes } = await other.fleet(new AbortController().signal);
    const [cell] = nodes.find((node) => node.id === 'gpu-2')?.cells ?? [];
    return known[cell?.model ?? -1]?.id === MODEL ? cell : undefined;
  });
  const disks = (await other.fleet(new AbortController().signal)).nodes;
  assert.ok(disks.length === 2 && disks.every((node) => (node.totalBytes ?? 0) > (node.freeBytes ?? 0)));
  const { bytesTotal = 0, bytesMissing = 0 } = coming;
  assert.ok(bytesTotal === SIZE_BYTES && bytesMissing > 0 && bytesMissing < bytesTotal, JSON.stringify(coming));
  await page.waitForFunction(() => /MiB\/s/.test(document.querySelector('.transfers')?.textContent ?? ''));
  await page.waitForFunction(() =>
    document.querySelector('[data-row="0"] [aria-colindex="4"]')?.ariaLabel?.startsWith('incoming'),
  );
  await page.waitForFunction(
    () => document.querySelector('[data-row="0"] [aria-colindex="4"]')?.ariaLabel === 'installed',
    undefined,
    { timeout: 20_000 },
  );
  assert.match(await page.locator('.events').innerText(), /juggernaut.safetensors is installed/);
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText('Every byte is as it should be.').waitFor();

  await t.test('at the orchestrator the same fleet, with ages and without what it cannot know', async () => {
    const other = await WatchedPage.open(browser, orchestrator.url);
    await other.untilLive();
    await other.page.locator(`.name[title="${MODEL}"]`).waitFor();
    for (const column of [4, 5]) {
      const label = `[data-row="0"] [aria-colindex="${column}"][aria-label="installed"]`;
      await other.page.locator(label).waitFor({ timeout: 15_000 });
    }
    assert.equal(await other.page.locator('#matrix .row').count(), 1, 'aliases are no rows of their own');
    const nodes = await other.page.locator('.nodes').innerText();
    assert.match(nodes, /gpu-1\s+online\s+1\/1\s+[\d.]+ [KMGT]iB\s+(now|\d+ s)/);
    for (const name of ['Disk of gpu-1', 'Disk of gpu-2']) {
      const used = Number(await other.page.getByRole('meter', { name }).getAttribute('aria-valuenow'));
      assert.ok(used > 0 && used <= 100, `${name}: ${used} % used`);
    }
    for (const absent of ['.peers', '.pieces', '.node-panel']) {
      assert.equal(await other.page.locator(absent).count(), 0, absent);
    }
    assert.deepEqual(other.troubles, []);
    await other.page.close();
  });

  assert.deepEqual(watched.troubles, []);
  assert.ok(watched.requests.every((url) => url.startsWith(two.api)));
  const shifts = await watched.shifts();
  assert.ok(shifts.reduce((sum, { value }) => sum + value, 0) < 0.01, JSON.stringify(shifts));
  await two.stop();
  await page
    .getByText(/connection lost/)
    .first()
    .waitFor();
  await two.start();
  await page.waitForSelector('.connection.live', { timeout: 20_000 });
});
