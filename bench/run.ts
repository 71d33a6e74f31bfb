// npm run bench -- NAME [args]: runs bench/NAME.ts. Everything it measures is real: processes, sockets, files.
import { readdirSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Benchmark } from './benchmark.ts';

const [name = '', ...args] = process.argv.slice(2);
const benchmarks = await loadAll();
const benchmark = benchmarks.get(name);

if (benchmark === undefined) {
  console.error('Usage: npm run bench -- NAME [args]\n');
  for (const [known, { summary }] of benchmarks) console.error(`  ${known.padEnd(10)} ${summary}`);
  process.exitCode = name === '' || name === '--help' ? 0 : 2;
} else {
  const missing = benchmark.missing?.() ?? [];
  for (const what of missing) console.error(`${name} cannot run: ${what}`);
  if (missing.length > 0) process.exitCode = 2;
  else {
    const result = await benchmark.run(args);
    for (const goal of result.missed ?? []) console.log(`missed: ${goal}`);
    const machine = { cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version };
    console.log(JSON.stringify({ benchmark: name, ...machine, ...result }));
    process.exitCode = (result.missed ?? []).length > 0 ? 1 : 0;
  }
}

async function loadAll(): Promise<Map<string, Benchmark>> {
  const found = new Map<string, Benchmark>();
  for (const file of readdirSync(import.meta.dirname).sort()) {
    if (!file.endsWith('.ts') || file === 'run.ts') continue;
    const loaded = (await import(pathToFileURL(join(import.meta.dirname, file)).href)) as { benchmark?: Benchmark };
    if (loaded.benchmark !== undefined) found.set(file.slice(0, -3), loaded.benchmark);
  }
  return found;
}
