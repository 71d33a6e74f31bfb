import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Blake3Engine, loadBlake3 } from '../src/content/blake3.ts';
import { Hasher } from '../src/store/hasher.ts';
import { silentLog } from '../src/util/log.ts';
import { Metrics } from '../src/util/metrics.ts';
import { makeSafetensors } from '../test/support/make-safetensors.ts';
import { TestBed } from '../test/support/test-bed.ts';
import { type Benchmark, formatTable, median, numberOption, textOption } from './benchmark.ts';
import { timeCommand } from './link/timed.ts';

const STEP_BYTES = 1024 * 1024;

interface Way {
  readonly name: string;
  readonly does: string;
  /** Hashes the file once; returns the seconds it took. */
  readonly hash: (file: string) => Promise<number>;
}

/** How fast a file is hashed, engine by engine and as the daemon does it, beside the programs of the distribution. */
export const benchmark: Benchmark = {
  summary: 'digests of one file: BLAKE3, sha256, both in one read  [--mib 1024] [--runs 3] [--dir DIR]',

  async run(args) {
    const mib = numberOption(args, '--mib', 1024);
    const runs = numberOption(args, '--runs', 3);
    const under = textOption(args, '--dir', existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
    await using bed = await TestBed.open({ under });
    const file = join(bed.directory, 'bench.safetensors');
    await makeSafetensors(file, { seed: 'hash', sizeBytes: mib * 2 ** 20, family: 'sdxl' });
    await using hasher = new Hasher({ workers: 1 }, { log: silentLog, metrics: new Metrics() });
    await hasher.hashFile(file, new AbortController().signal); // its worker is up, the file is in the cache
    const ways = [...(await engines()), storeHasher(hasher), ...programs()];
    const taken = new Map<string, number[]>(ways.map(({ name }) => [name, []]));
    // In turn within each round, so that a machine that slows down slows all of them.
    for (let round = 0; round < runs; round += 1)
      for (const { name, hash } of ways) taken.get(name)?.push(await hash(file));
    const results = ways.map(({ name, does }) => ({
      name,
      does,
      mibPerSecond: Math.round(mib / median(taken.get(name) ?? [])),
    }));
    console.log(
      formatTable([
        ['', 'MiB/s', ''],
        ...results.map(({ name, mibPerSecond, does }) => [name, String(mibPerSecond), does]),
      ]),
    );
    return { mib, runs, results: Object.fromEntries(results.map(({ name, mibPerSecond }) => [name, mibPerSecond])) };
  },
};

async function engines(): Promise<Way[]> {
  const ways: Way[] = [];
  for (const kind of ['native', 'wasm'] as const) {
    const engine = await loadBlake3(kind);
    if (engine.kind !== kind) console.error(`BLAKE3 ${kind} does not load on this platform`);
    else ways.push({ name: `blake3 ${kind}`, does: 'one thread, one digest', hash: timed(() => engine.create()) });
  }
  const sha256: Way = { name: 'sha256 (node:crypto)', does: 'one thread', hash: timed(() => createHash('sha256')) };
  return [...ways, sha256];
}

function storeHasher(hasher: Hasher): Way {
  return {
    name: 'as the daemon does it',
    does: 'one worker: sha256 and BLAKE3 per piece in one read',
    async hash(file) {
      const startMs = performance.now();
      await hasher.hashFile(file, new AbortController().signal);
      return (performance.now() - startMs) / 1000;
    },
  };
}

function programs(): Way[] {
  const known = [
    { name: 'sha256sum', command: ['sha256sum'], does: 'coreutils', debianPackage: 'coreutils' },
    { name: 'openssl sha256', command: ['openssl', 'dgst', '-sha256'], does: 'openssl', debianPackage: 'openssl' },
    { name: 'b3sum, 1 thread', command: ['b3sum', '--num-threads', '1'], does: 'b3sum', debianPackage: 'b3sum' },
    { name: 'b3sum', command: ['b3sum'], does: 'b3sum, all cores, mapped memory', debianPackage: 'b3sum' },
  ];
  return known.flatMap(({ name, command, does, debianPackage }) => {
    if (spawnSync('sh', ['-c', `command -v ${command[0]!}`]).status !== 0) {
      console.error(`without ${name}: apt-get install ${debianPackage} to have it beside`);
      return [];
    }
    return [{ name, does, hash: async (file: string) => (await timeCommand([...command, file])).seconds }];
  });
}

interface Digest {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

function timed(create: () => Digest | ReturnType<Blake3Engine['create']>): (file: string) => Promise<number> {
  return async (file) => {
    const step = new Uint8Array(STEP_BYTES);
    const startMs = performance.now();
    const digest = create();
    const fd = openSync(file, 'r');
    try {
      for (let read = readSync(fd, step); read > 0; read = readSync(fd, step)) digest.update(step.subarray(0, read));
    } finally {
      closeSync(fd);
    }
    digest.digest();
    return await Promise.resolve((performance.now() - startMs) / 1000);
  };
}
