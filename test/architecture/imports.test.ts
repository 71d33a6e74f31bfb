import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findCycles, parseSource, readSourceTree, type SourceFile } from './source-tree.ts';

/** Which folder may import which, and why not the others: a layer knows only what lies under it. */
const LAYERS: Readonly<Record<string, { readonly may: readonly string[]; readonly because: string }>> = {
  util: { may: [], because: 'util stands on nothing, so that everything can stand on it' },
  config: { may: ['util'], because: 'settings are read before anything else exists' },
  content: { may: ['util'], because: 'content is pure: it says what is moved and does no I/O' },
  store: { may: ['util', 'content'], because: 'the store knows this disk and no network' },
  swarm: { may: ['util', 'content'], because: 'the swarm knows other nodes and no disk' },
  transfer: { may: ['util', 'content', 'store', 'swarm'], because: 'transfer moves pieces and tells no story' },
  flows: {
    may: ['util', 'content', 'store', 'swarm', 'transfer'],
    because: 'flows are served by the API, not its clients',
  },
  orchestrator: { may: ['util', 'content'], because: 'the consuming side knows no disk and no swarm' },
  api: {
    may: ['util', 'content', 'store', 'swarm', 'transfer', 'flows', 'orchestrator'],
    because: 'the API is the top layer: only the composition root and the command line stand above it',
  },
  cli: {
    may: ['util', 'api/schemas', 'orchestrator/client', 'orchestrator/fleet-documents'],
    because:
      'the command line is a client of the HTTP API like any other: it shares its schemas and clients and nothing behind them',
  },
};

/** Sources for another machine: a browser. Nothing of Node is there, and nobody but the bundler reads them. */
const PAGE_MAY_RUN = ['util/amounts.ts'];
const PAGE_MAY_NAME = ['api/schemas.ts', 'api/fleet-schemas.ts'];

/** The composition root; `config.ts` alone is held to little, because it is read before anything else exists. */
const ROOT_FILES: Readonly<Record<string, readonly string[] | 'anything'>> = {
  'config.ts': ['util', 'config'],
  'daemon.ts': 'anything',
  'daemon-parts.ts': 'anything',
  'daemon-pieces.ts': 'anything',
  'run-orchestrator.ts': 'anything',
  'main.ts': 'anything',
};
const CONFIG = /^config(\.ts$|\/)/;
const MAY_READ_CONFIG = /^(daemon|daemon-parts|daemon-pieces|run-orchestrator|main|config)\.ts$|^(cli|config)\//;
const MAX_LINES = 320;

const files = readSourceTree();

function allowedBy(may: readonly string[], own: string, target: string): boolean {
  if (target.startsWith(`${own}/`)) return true;
  return may.some(
    (layer) => target.startsWith(`${layer}/`) || target === `${layer}.ts` || target.startsWith(`${layer}-`),
  );
}

function layerFaults(file: SourceFile): string[] {
  const own = file.path.includes('/') ? (file.path.split('/')[0] ?? '') : '';
  if (own === 'page') return pageFaults(file);
  const rule = own === '' ? ROOT_FILES[file.path] : LAYERS[own]?.may;
  if (rule === undefined)
    return [`src/${file.path} lies in no known layer: put it into one, or add the layer to DESIGN and here`];
  const faults: string[] = [];
  for (const { target, line } of file.imports) {
    if (target === undefined) continue;
    const where = `src/${file.path}:${line} imports src/${target}`;
    if (target.startsWith('..'))
      faults.push(`${where}, which lies outside src/: the program must not need tests or benchmarks`);
    else if (CONFIG.test(target) && MAY_READ_CONFIG.test(file.path)) continue;
    else if (CONFIG.test(target)) faults.push(`${where}: settings are handed down as plain values by daemon.ts`);
    else if (rule !== 'anything' && !allowedBy(rule, own, target)) {
      const may = rule.length === 0 ? 'nothing' : rule.join(', ');
      faults.push(
        `${where}, but ${own === '' ? file.path : own} may import ${may} (${LAYERS[own]?.because ?? 'it is read first'})`,
      );
    }
  }
  return faults;
}

function pageFaults(file: SourceFile): string[] {
  return file.imports.flatMap(({ target, specifier, line, isTypeOnly }) => {
    const where = `src/${file.path}:${line} imports ${specifier}`;
    if (target === undefined) return /^preact(\/hooks)?$/.test(specifier) ? [] : [`${where}: the page has Preact only`];
    if (target.startsWith('page/') || PAGE_MAY_RUN.includes(target)) return [];
    if (isTypeOnly && PAGE_MAY_NAME.includes(target)) return [];
    return [`${where}: the page runs in a browser and may name the types of documents, not run what is behind them`];
  });
}

function report(faults: readonly string[]): void {
  assert.equal(faults.length, 0, `\n  ${faults.join('\n  ')}\n`);
}

test('every folder imports only the layers under it', () => {
  assert.ok(files.length > 10, 'no sources found');
  report(files.flatMap(layerFaults));
});

test('no two files import each other, directly or in a ring', () => {
  report(findCycles(files).map((cycle) => `${cycle}: move what both need into a third file`));
});

test(`no file is longer than ${MAX_LINES} lines`, () => {
  const long = files.filter((file) => file.lines > MAX_LINES);
  report(long.map((file) => `src/${file.path} has ${file.lines} lines: a file that long does more than one thing`));
});

test('only config.ts reads the environment', () => {
  const readers = files.filter((file) => !CONFIG.test(file.path));
  report(
    readers.flatMap((file) =>
      file.environmentLines.map(
        (line) => `src/${file.path}:${line} reads process.env: let config.ts parse it and hand it down`,
      ),
    ),
  );
});

test('the rules themselves find what they are there for', () => {
  const upward = parseSource('store/catalog.ts', "import type { Swarm } from '../swarm/swarm.ts';\n");
  assert.match(
    layerFaults(upward)[0] ?? '',
    /store may import util, content \(the store knows this disk and no network\)/,
  );
  const worker = parseSource('store/hasher.ts', "new Worker(new URL('../swarm/w.ts', import.meta.url));\n");
  assert.equal(layerFaults(worker).length, 1);
  assert.match(
    layerFaults(parseSource('page/x.tsx', "import { Fleet } from '../api/fleet-schemas.ts';"))[0] ?? '',
    /runs in a browser/,
  );
  assert.deepEqual(layerFaults(parseSource('page/x.tsx', "import type { Fleet } from '../api/fleet-schemas.ts';")), []);
  assert.equal(layerFaults(parseSource('api/x.ts', "import { App } from '../page/view/app.tsx';")).length, 1);
  const client = parseSource(
    'cli/get.ts',
    "import { a } from '../api/schemas.ts';\nimport { b } from '../api/server.ts';\n",
  );
  assert.equal(layerFaults(client).length, 1);
  assert.match(layerFaults(parseSource('util/x.ts', "await import('../config.ts');"))[0] ?? '', /handed down/);
  assert.match(layerFaults(parseSource('misc/x.ts', ''))[0] ?? '', /no known layer/);
  assert.match(layerFaults(parseSource('util/x.ts', "export * from '../../test/a.ts';"))[0] ?? '', /outside src/);
  const a = parseSource('util/a.ts', "import './b.ts';");
  const b = parseSource('util/b.ts', "export { a } from './a.ts';");
  assert.deepEqual(findCycles([a, b]), ['util/a.ts → util/b.ts → util/a.ts']);
  assert.deepEqual(
    parseSource('x.ts', "const a = 1;\nprocess.env['A'];\nimport { env } from 'node:process';").environmentLines,
    [2, 3],
  );
});
