// Writes dist/, what bin/shoal runs as long as no source is newer: the daemon bundled with its packages, and the page.
// Read from a few files instead of two thousand it is ready sooner (bench/notes.md), and no thread has to hold a
// TypeScript parser.
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildDaemon } from './build-daemon.ts';
import { buildPage } from './build-page.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const draft = join(root, `.dist-${process.pid}`);
const dist = join(root, 'dist');

await rm(draft, { recursive: true, force: true });
await mkdir(draft);
await buildDaemon(draft);
await buildPage(join(draft, 'page'));
await writeFile(join(draft, '.stamp'), '');
await rm(dist, { recursive: true, force: true });
await rename(draft, dist);
