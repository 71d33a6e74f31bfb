// npm run bench -- NAME [args]: runs bench/NAME.ts. Everything it measures is real: processes, sockets, files.
import { readdirSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Benchmark } from './benchmark.ts';
import { isIsolated, missingForIsolation, runIsolated } from './isolation.ts';

const [name = '', ...args] = process.argv.slice(2);
const benchmarks = await loadAll();
const benchmark = benchmarks.get(name);

if (benchmark === undefined) {
  console.error('Usage: npm run bench -- NAME [args]\n');
  for (const [known, { summary }] of benchmarks) console.error(`  ${known.padEnd(10)} ${summary}`);
  process.exitCode = name === '' || name === '--help' ? 0 : 2;
} else {
  process.exitCode = await runNamed(benchmark);
}

/** 0 done, 1 a goal was missed or it failed, 2 it cannot run as asked, 130 interrupted. */
async function runNamed(chosen: Benchmark): Promise<number> {
  const missing = missingFor(chosen);
  for (const what of missing) console.error(`${name} cannot run: ${what}`);
  if (missing.length > 0) return 2;
  if (chosen.isolated === true && !isIsolated()) return await runIsolated();
  const result = await chosen.run(args);
  for (const goal of result.missed ?? []) console.log(`missed: ${goal}`);
  const machine = { cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version };
  console.log(JSON.stringify({ benchmark: name, ...machine, ...result }));
  return (result.missed ?? []).length > 0 ? 1 : 0;
}

function missingFor(chosen: Benchmark): readonly string[] {
  try {
    const tools = chosen.missing?.(args) ?? [];
    return chosen.isolated === true && !isIsolated() ? [...missingForIsolation(), ...tools] : tools;
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]; // an option that it does not know
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
