import type { Browser, Page } from 'playwright-core';

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
        node instanceof Element ? node.className : `text of ${node?.parentElement?.className ?? 'nothing'}`,
      );
      observed.shifts.push({ value: entry.value, nodes });
    }
  }).observe({ type: 'layout-shift', buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) observed.tasks.push(entry.duration);
  }).observe({ type: 'longtask', buffered: true });
}
