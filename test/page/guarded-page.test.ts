import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serve } from '../api/api-fixture.ts';
import { modelView } from '../api/fake-node.ts';
import { needsChromium, openBrowser } from './chromium.ts';
import { WatchedPage } from './watched-page.ts';

test('a token is asked for once, kept in the tab, and never stands in an address', {
  skip: needsChromium,
}, async (t) => {
  const { api, node } = await serve(t, [], { token: 'the-secret' });
  node.fleet.change(node.fleet.view.nodes, { models: [{ id: 'a.gguf' }], installed: ['gA=='] });
  const browser = await openBrowser(t);
  const watched = await WatchedPage.open(browser, api.url);
  const { page, requests } = watched;
  const field = page.getByLabel(/give its token/);
  await field.fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByText('That token is wrong.').waitFor();
  await field.fill('the-secret');
  await page.keyboard.press('Enter');
  await watched.untilLive();
  assert.equal(await field.count(), 0);
  await page.reload();
  await watched.untilLive();
  assert.ok(requests.length > 8);
  assert.deepEqual(
    requests.filter((url) => url.includes('secret')),
    [],
  );
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  // Chromium itself writes a line for each answer 401; there must be nothing beside these.
  assert.deepEqual(
    watched.troubles.filter((text) => !text.includes('401')),
    [],
  );
});

test('colours follow the system, and the toggle', { skip: needsChromium }, async (t) => {
  const { api } = await serve(t);
  const browser = await openBrowser(t);
  const watched = await WatchedPage.open(browser, api.url, { colorScheme: 'dark', reducedMotion: 'reduce' });
  const { page } = watched;
  await watched.untilLive();
  const lightness = (): Promise<number> =>
    page.evaluate(() => {
      const [red = 0] = /\d+/.exec(getComputedStyle(document.body).backgroundColor) ?? [];
      return Number(red);
    });
  assert.ok((await lightness()) < 60);
  await page.getByLabel('light').check();
  assert.ok((await lightness()) > 200);
  await page.reload();
  await watched.untilLive();
  assert.ok((await lightness()) > 200, 'it is remembered');
  await page.getByLabel('auto').check();
  assert.ok((await lightness()) < 60);
  const moving = await page.evaluate(
    () =>
      [...document.querySelectorAll('*')].filter((element) => getComputedStyle(element).transitionDuration !== '0s')
        .length,
  );
  assert.equal(moving, 0, 'nothing moves for those who do not want it');
  assert.deepEqual(watched.troubles, []);
});

test('names of models are text, whatever they hold', { skip: needsChromium }, async (t) => {
  const id = 'loras/<img src=x onerror=alert(1)>"\'.safetensors';
  const { api, node } = await serve(t, [modelView(id)]);
  node.fleet.change(node.fleet.view.nodes, { models: [{ id }], installed: ['gA=='] });
  const browser = await openBrowser(t);
  const watched = await WatchedPage.open(browser, api.url);
  await watched.untilLive();
  await watched.page.locator('#matrix .row .name').first().click();
  await watched.page.getByRole('button', { name: 'Pin' }).click();
  await watched.page.getByText('It stays here.').waitFor();
  assert.ok(node.calls.includes(`pin ${id}`));
  assert.equal(await watched.page.locator('#matrix img').count(), 0);
  assert.deepEqual(watched.troubles, []);
});
