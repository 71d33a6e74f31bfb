// Writes dist/, the sources with their types stripped: the daemon then starts without a TypeScript parser in each of its
// threads, which saves about 100 MiB of memory and half a second. bin/shoal uses dist/ as long as no source is newer.
// The page, whose sources only a browser runs, is bundled into dist/page.
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage } from './build-page.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const draft = join(root, `.dist-${process.pid}`);
const dist = join(root, 'dist');
const page = join(root, 'src/page/');

/** Relative module specifiers, in imports and in `new URL(…)` for worker threads. */
const SPECIFIER = /(['"])(\.{1,2}\/[^'"\n]+)\.ts\1/g;

await rm(draft, { recursive: true, force: true });
for (const entry of await readdir(join(root, 'src'), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || `${entry.parentPath}/`.startsWith(page)) continue;
  const from = join(entry.parentPath, entry.name);
  const to = join(draft, from.slice(join(root, 'src').length + 1));
  await mkdir(dirname(to), { recursive: true });
  if (entry.name.endsWith('.d.ts')) continue;
  if (entry.name.endsWith('.ts')) {
    const code = stripTypeScriptTypes(await readFile(from, 'utf8'), { mode: 'strip' });
    await writeFile(to.replace(/\.ts$/, '.js'), code.replaceAll(SPECIFIER, '$1$2.js$1'));
  } else {
    await copyFile(from, to);
  }
}
await buildPage(join(draft, 'page'));
await writeFile(join(draft, '.stamp'), '');
await rm(dist, { recursive: true, force: true });
await rename(draft, dist);
