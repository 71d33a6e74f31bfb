import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Browser, chromium } from 'playwright-core';
import { buildPage } from '../../bin/build-page.ts';
import { insist, skipWithout } from '../support/needs.ts';

const ROOT = join(import.meta.dirname, '../..');
const CHROMIUM = '/usr/bin/chromium';
const missing = existsSync(CHROMIUM) ? false : 'chromium is missing: apt-get install chromium';

/** `test(name, { skip: needsChromium }, …)` */
export const needsChromium = skipWithout(missing);

/** Debian's chromium, without a window. */
export async function openBrowser(t: TestContext): Promise<Browser> {
  await refreshPage();
  const browser = await launchChromium();
  t.after(() => browser.close());
  return browser;
}

export async function launchChromium(): Promise<Browser> {
  insist(missing);
  const isRoot = process.getuid?.() === 0;
  return await chromium.launch({ executablePath: CHROMIUM, args: isRoot ? ['--no-sandbox'] : [] });
}

/** Bundles the page anew if a source of it is newer than what is served; for daemons that are started after it. */
export async function refreshPage(): Promise<void> {
  const built = join(ROOT, 'dist/page');
  const builtAt = (await stat(join(built, 'index.html')).catch(() => undefined))?.mtimeMs ?? 0;
  const sources = await readdir(join(ROOT, 'src/page'), { recursive: true, withFileTypes: true });
  const times = await Promise.all(
    sources.map(async (entry) => (await stat(join(entry.parentPath, entry.name))).mtimeMs),
  );
  if (Math.max(...times) < builtAt) return;
  const startedAt = new Date();
  const draft = join(ROOT, `.dist-page-${process.pid}`);
  await buildPage(draft);
  // What was changed while it was built is not in it.
  await utimes(join(draft, 'index.html'), startedAt, startedAt);
  await mkdir(join(ROOT, 'dist'), { recursive: true });
  await rm(built, { recursive: true, force: true });
  // Another test file may have been faster with the same.
  await rename(draft, built).catch(() => rm(draft, { recursive: true, force: true }));
}
