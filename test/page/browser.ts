import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { buildPage } from '../../bin/build-page.ts';

const ROOT = join(import.meta.dirname, '../..');
const CHROMIUM = '/usr/bin/chromium';

/** Debian's chromium, without a window; a test that has none fails, because the page is then not tested at all. */
export async function openBrowser(t: TestContext): Promise<Browser> {
  await refreshPage();
  const browser = await launchChromium();
  t.after(() => browser.close());
  return browser;
}

export async function launchChromium(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is missing: apt-get install chromium`);
  const isRoot = process.getuid?.() === 0;
  return await chromium.launch({ executablePath: CHROMIUM, args: isRoot ? ['--no-sandbox'] : [] });
}

export interface Shift {
  readonly value: number;
  readonly nodes: readonly string[];
}

/** A page that remembers what must not happen: errors in the console, breaches of the policy, layout shifts, long tasks. */
export class WatchedPage {
  readonly page: Page;
  readonly troubles: string[] = [];
  readonly requests: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.troubles.push(message.text());
    });
    page.on('pageerror', (error) => this.troubles.push(`uncaught: ${error.message}`));
    page.on('request', (request) => this.requests.push(request.url()));
  }

  static async open(
    browser: Browser,
    url: string,
    options: Parameters<Browser['newPage']>[0] = {},
  ): Promise<WatchedPage> {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, ...options });
    page.setDefaultTimeout(15_000);
    const watched = new WatchedPage(page);
    await page.addInitScript(observe);
    await page.goto(url);
    return watched;
  }

  async untilLive(): Promise<void> {
    await this.page.waitForSelector('.connection.live', { timeout: 10_000 });
    await this.page.waitForSelector('#matrix[role=grid]', { timeout: 10_000 });
  }

  /** Of what moved without a click or a key just before it. */
  async shifts(): Promise<readonly Shift[]> {
    return await this.page.evaluate(() => (globalThis as unknown as Observed).shifts);
  }

  /** The longest time for which the page could not answer since this was last asked, in milliseconds. */
  async longestTaskMs(): Promise<number> {
    await this.page.waitForTimeout(100);
    return await this.page.evaluate(() => {
      const observed = globalThis as unknown as Observed;
      const longest = Math.max(0, ...observed.tasks);
      observed.tasks.length = 0;
      return longest;
    });
  }
}

interface Observed {
  shifts: Shift[];
  tasks: number[];
}

/** Runs in the browser, before the page does. */
function observe(): void {
  const observed = globalThis as unknown as Observed;
  observed.shifts = [];
  observed.tasks = [];
  interface LayoutShift extends PerformanceEntry {
    readonly value: number;
    readonly hadRecentInput: boolean;
    readonly sources: readonly { readonly node: Node | null }[];
  }
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as LayoutShift[]) {
      if (entry.hadRecentInput) continue;
      const nodes = entry.sources.map(({ node }) =>
        node instanceof Element ? node.className : String(node?.nodeName),
      );
      observed.shifts.push({ value: entry.value, nodes });
    }
  }).observe({ type: 'layout-shift', buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) observed.tasks.push(entry.duration);
  }).observe({ type: 'longtask', buffered: true });
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
  const draft = join(ROOT, `.dist-page-${process.pid}`);
  await buildPage(draft);
  await mkdir(join(ROOT, 'dist'), { recursive: true });
  await rm(built, { recursive: true, force: true });
  // Another test file may have been faster with the same.
  await rename(draft, built).catch(() => rm(draft, { recursive: true, force: true }));
}
