// npm run screenshot: five real daemons and a NAS, looked at with Debian's chromium while one of them fetches; the picture
// is docs/page.png, and docs/page-dark.png with --dark.
import { mkdir, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { launchChromium, refreshPage } from '../test/page/chromium.ts';
import { makeGguf } from '../test/support/make-gguf.ts';
import { makeSafetensors, type SafetensorsFamily } from '../test/support/make-safetensors.ts';
import { TestBed } from '../test/support/test-bed.ts';

const ROOT = join(import.meta.dirname, '..');
const MIB = 2 ** 20;

/** Each with the nodes that have it when the picture is taken. */
const STOCK: readonly (readonly [id: string, kind: SafetensorsFamily | 'gguf', mib: number, nodes: string])[] = [
  ['checkpoints/sd15/dreamshaper-8.safetensors', 'sd15', 24, '12345'],
  ['checkpoints/sd15/realistic-vision-6.safetensors', 'sd15', 24, '2'],
  ['checkpoints/sdxl/juggernaut-xl.safetensors', 'sdxl', 96, '2345'],
  ['checkpoints/sdxl/pony-v6.safetensors', 'sdxl', 40, '34'],
  ['checkpoints/sdxl/sdxl-base-1.0.safetensors', 'sdxl', 40, '1345'],
  ['controlnet/canny-sdxl.safetensors', 'sd15', 16, '15'],
  ['llm/mistral-7b-instruct-q4.gguf', 'gguf', 48, '245'],
  ['llm/qwen3-8b-q5.gguf', 'gguf', 40, '4'],
  ['loras/add-detail-xl.safetensors', 'lora', 6, '12345'],
  ['loras/ghibli-style.safetensors', 'lora', 4, '123'],
  ['loras/pixel-art-xl.safetensors', 'lora', 6, '45'],
  ['loras/watercolour.safetensors', 'lora', 3, '1345'],
  ['unet/flux-dev.safetensors', 'flux', 72, '35'],
  ['vae/sdxl-vae.safetensors', 'sd15', 8, '12345'],
];
const FETCHED = ['checkpoints/sdxl/juggernaut-xl.safetensors', 'unet/flux-dev.safetensors'];
const BROKEN = 'loras/unfinished-copy.safetensors';

const { values } = parseArgs({ options: { dark: { type: 'boolean', default: false } } });
const file = join(ROOT, 'docs', values.dark ? 'page-dark.png' : 'page.png');
await refreshPage();
await using bed = await TestBed.open();

const nas = await bed.makeDirectory('nas');
for (const [id, kind, mib] of STOCK) await make(join(nas, id), kind, mib);
await bed.publish(nas);
const consumer = await bed.consumer();
const shared = { origins: [`file://${nas}`], orchestrators: [consumer.url] };
const broken = join(bed.directory, 'gpu-1/models', BROKEN);
await make(broken, 'lora', 4);
await truncate(broken, 2 * MIB);
const daemons = [];
for (const digit of '12345') {
  const args = digit === '1' ? ['--down-limit', '9MiB'] : [];
  daemons.push(await bed.daemon(`gpu-${digit}`, { ...shared, args }));
}
const [first] = daemons;
if (first === undefined) throw new Error('no daemon');
for (const [id, , , nodes] of STOCK) {
  for (const digit of nodes) await daemons[Number(digit) - 1]?.want(id);
}
for (const [id, , , nodes] of STOCK) {
  for (const digit of nodes) await daemons[Number(digit) - 1]?.waitForModel(id, 'installed', 120_000);
}

const browser = await launchChromium();
try {
  const page = await browser.newPage({
    viewport: { width: 1440, height: 900 },
    colorScheme: values.dark ? 'dark' : 'light',
  });
  await page.goto(first.api);
  await page.waitForSelector('.connection.live');
  for (const id of FETCHED) await first.want(id);
  await page.locator(`.row:has([title="${FETCHED[0] ?? ''}"]) [aria-colindex="4"]`).click();
  await page.mouse.move(700, 120);
  await page.locator('.pieces canvas').nth(1).waitFor();
  // A third of the way: enough to see how the pieces come.
  await page.waitForTimeout(7_000);
  await mkdir(dirname(file), { recursive: true });
  await page.screenshot({ path: file });
  process.stderr.write(`${file}\n`);
} finally {
  await browser.close();
}

async function make(path: string, kind: SafetensorsFamily | 'gguf', mib: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const sizeBytes = mib * MIB;
  if (kind === 'gguf') await makeGguf(path, { sizeBytes, seed: path });
  else await makeSafetensors(path, { family: kind, sizeBytes, seed: path });
}
