import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

const TOKENS = join(import.meta.dirname, '../../src/page/style/tokens.css');
const SURFACES = ['ground', 'panel', 'raised', 'hover'] as const;
const TEXTS = ['text', 'quiet', 'accent', 'busy', 'warn', 'bad', 'good'] as const;
const MARKS = ['here', 'line-strong', 'focus'] as const;
/** What fills a bar. */
const FILLS = ['here', 'busy', 'warn', 'line-strong', 'piece-here'] as const;

test('in both colour schemes text has a contrast of 4.5 with what is behind it, and marks and bars one of 3', async () => {
  const css = await readFile(TOKENS, 'utf8');
  const tokens = new Map(
    Array.from(css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g), ([, name = '', ...pair]) => [name, pair]),
  );
  for (const [scheme, name] of ['light', 'dark'].entries()) {
    const colour = (token: string): string => {
      const found = tokens.get(token)?.[scheme];
      assert.ok(found !== undefined, `no colour --${token}`);
      return found;
    };
    const check = (front: string, back: string, least: number): void => {
      const ratio = contrast(colour(front), colour(back));
      assert.ok(ratio >= least, `--${front} on --${back}, ${name}: ${ratio.toFixed(2)} is less than ${least}`);
    };
    for (const surface of SURFACES) {
      for (const text of TEXTS) check(text, surface, 4.5);
      for (const mark of MARKS) check(mark, surface, 3);
    }
    for (const fill of FILLS) check(fill, 'track', 3);
  }
});

/** As WCAG 2 defines it, from 1 to 21. */
function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
