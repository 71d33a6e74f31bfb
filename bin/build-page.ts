// Bundles src/page into a directory: index.html, and script and style under names that hold a digest of their content,
// so that browsers keep them for ever.
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../src/page', import.meta.url));

export async function buildPage(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const { outputFiles } = await build({
    entryPoints: { app: join(source, 'main.tsx'), style: join(source, 'style/style.css') },
    outdir: directory,
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['chrome123', 'firefox128', 'safari17.5'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
  });
  const names: Record<string, string> = {};
  for (const { path, contents } of outputFiles) {
    const name = path.slice(directory.length + 1);
    names[name.endsWith('.css') ? '{style}' : '{script}'] = name;
    await writeFile(path, contents);
  }
  let html = await readFile(join(source, 'index.html'), 'utf8');
  for (const [placeholder, name] of Object.entries(names)) html = html.replace(placeholder, `page/${name}`);
  await writeFile(join(directory, 'index.html'), html);
  await copyFile(join(source, 'icon.svg'), join(directory, 'icon.svg'));
}
