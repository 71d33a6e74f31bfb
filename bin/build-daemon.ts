// Bundles src/main.ts and the entries of workers into a directory beside src. Of packages what is an ES module is bundled,
// too; the rest stays where it is: it may be native, or look for files of its own. Nothing is minified, and each part says
// from which source it comes, so that a stack can be read.
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type OnResolveArgs, type OnResolveResult, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'src');

/** A file beside a module: a worker's entry, or one that is read. */
const BESIDE = /new URL\('(\.{1,2}\/[^']+)', import\.meta\.url\)/g;

export async function buildDaemon(directory: string): Promise<void> {
  const workers = await findWorkers();
  await build({
    entryPoints: [join(source, 'main.ts'), ...workers],
    outdir: directory,
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    legalComments: 'none',
    plugins: [filesBeside(), packages(directory)],
  });
}

async function findWorkers(): Promise<string[]> {
  const workers: string[] = [];
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const text = await readFile(join(entry.parentPath, entry.name), 'utf8');
    for (const [, path = ''] of text.matchAll(BESIDE))
      if (path.endsWith('.ts')) workers.push(join(entry.parentPath, path));
  }
  return workers;
}

/** All output lies in one directory beside src: what a module found from its own place is found from there. */
function filesBeside(): Plugin {
  const rebased = (module: string, path: string): string => {
    const target = join(dirname(module), path);
    const found = target.endsWith('.ts') ? `./${basename(target, '.ts')}.js` : relative(source, target);
    return `new URL('${found}${path.endsWith('/') ? '/' : ''}', import.meta.url)`;
  };
  return {
    name: 'files beside modules',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!path.startsWith(source)) return undefined;
        const text = await readFile(path, 'utf8');
        return { loader: 'ts', contents: text.replace(BESIDE, (_found, beside: string) => rebased(path, beside)) };
      });
    },
  };
}

function packages(directory: string): Plugin {
  const seen = Symbol('resolved once');
  return {
    name: 'packages',
    setup(builder) {
      builder.onResolve({ filter: /./ }, async (args: OnResolveArgs): Promise<OnResolveResult | undefined> => {
        const { path, importer, resolveDir, kind } = args;
        const isOurs = path.startsWith('.') && importer.startsWith(source);
        if (isOurs || path.startsWith('node:') || kind === 'entry-point' || args.pluginData === seen) return undefined;
        const found = await builder.resolve(path, { importer, resolveDir, kind, pluginData: seen });
        // Of node itself, or missing, as some may be.
        if (found.errors.length > 0 || found.external) return { path, external: true };
        return (await isModule(found.path)) ? found : { path: relative(directory, found.path), external: true };
      });
    },
  };
}

async function isModule(file: string): Promise<boolean> {
  if (/\.[cm]js$/.test(file)) return file.endsWith('.mjs');
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const description = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
    if (description !== undefined) return (JSON.parse(description) as { type?: string }).type === 'module';
  }
  return false;
}
