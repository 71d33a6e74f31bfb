import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { partialPath } from '../../src/store/partial-file.ts';
import { DataPlane } from '../../src/transfer/data-plane.ts';
import { FileOrigin } from '../../src/transfer/file-origin.ts';
import { OriginCopy } from '../../src/transfer/origin-copy.ts';
import { parseOriginUrl } from '../../src/transfer/origin-url.ts';
import { codeOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { seededRandom } from '../../src/util/random.ts';
import { TestBlob, TestFolder } from './support/blob.ts';

const never = new AbortController().signal;
const blake3 = await loadBlake3();
const PATH = 'model.safetensors';

class CopyBench implements AsyncDisposable {
  readonly folder: TestFolder;
  readonly plane = new DataPlane({ workers: 1 }, { log: silentLog });
  readonly blob: TestBlob;
  readonly dir: string;
  readonly source: string;
  readonly origin: FileOrigin;
  readonly copies: OriginCopy;

  private constructor(folder: TestFolder, blob: TestBlob, root: string, dir: string) {
    this.folder = folder;
    this.blob = blob;
    this.dir = dir;
    this.source = join(root, PATH);
    const address = parseOriginUrl(pathToFileURL(root).href);
    assert.ok(address.kind === 'file');
    this.origin = new FileOrigin({ address }, { plane: this.plane, blake3 });
    const create = (made: { sha256: string; sizeBytes: number; manifest: string }) =>
      Promise.resolve({ ...made, dir, path: partialPath(dir, made.sha256) });
    this.copies = new OriginCopy({ partials: { dir, create }, blake3 });
  }

  static async make(options: { seed: string; sizeBytes: number }): Promise<CopyBench> {
    const folder = await TestFolder.make();
    const blob = await TestBlob.make(options);
    const root = await folder.folder('mount');
    await writeFile(join(root, PATH), blob.bytes);
    return new CopyBench(folder, blob, root, await folder.folder('partial'));
  }

  run(onBytes: (bytes: number) => void = () => undefined, signal = never): ReturnType<OriginCopy['run']> {
    return this.copies.run(this.origin, { path: PATH, sizeBytes: this.blob.bytes.length }, onBytes, signal);
  }

  async checkWhole(): Promise<void> {
    const { blob, dir } = this;
    assert.deepEqual(await readFile(partialPath(dir, blob.sha256)), Buffer.from(blob.bytes));
    assert.deepEqual(await blob.have(dir), [...blob.pieces().keys()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.plane[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

test('a file that nobody has hashed becomes a complete partial with the manifest that hashing it gives', async () => {
  await using bench = await CopyBench.make({ seed: 'copy', sizeBytes: 3_000_001 });
  let told = 0;
  const copied = await bench.run((bytes) => (told += bytes));
  assert.deepEqual(Buffer.from(copied.manifestBytes), Buffer.from(bench.blob.manifestBytes));
  assert.equal(copied.sha256, bench.blob.sha256);
  assert.equal(copied.resumedBytes, 0);
  assert.equal(told, bench.blob.bytes.length);
  await bench.checkWhole();
});

test('a copy that was given up goes on where it was, and what was damaged meanwhile is copied again', async () => {
  await using bench = await CopyBench.make({ seed: 'resume', sizeBytes: 40 * 262_144 });
  const controller = new AbortController();
  let bytes = 0;
  const first = bench.run((more) => {
    bytes += more;
    if (bytes > 5_000_000) controller.abort();
  }, controller.signal);
  await assert.rejects(first, { name: 'AbortError' });
  const again = await bench.run();
  assert.ok(again.resumedBytes >= 4 * 1024 * 1024, `${again.resumedBytes}`);
  await bench.checkWhole();
});

test('a source that is written while it is copied is not taken for what it was', async () => {
  await using bench = await CopyBench.make({ seed: 'written', sizeBytes: 160 * 262_144 });
  // A process of its own, so that it writes in the middle of the copy however busy this one is: its first byte, as it was.
  const firstByte = ((await readFile(bench.source))[0] ?? 0).toString(8).padStart(3, '0');
  const script = 'while :; do printf "\\\\$1" 1<>"$0"; done';
  const writer = spawn('sh', ['-c', script, bench.source, firstByte], { stdio: 'ignore' });
  const { mtimeNs } = await stat(bench.source, { bigint: true });
  while ((await stat(bench.source, { bigint: true })).mtimeNs === mtimeNs) await delay(5);
  try {
    await assert.rejects(bench.run(), (error) => codeOf(error) === 'changed');
  } finally {
    writer.kill('SIGKILL');
    await once(writer, 'exit');
  }
  // The journal names the source as it was, so all of it is copied anew.
  const { resumedBytes } = await bench.run();
  assert.equal(resumedBytes, 0);
  await bench.checkWhole();
  await appendFile(bench.source, 'x');
  await assert.rejects(bench.run(), (error) => codeOf(error) === 'changed');
  await rm(bench.source);
  await assert.rejects(bench.run(), (error) => codeOf(error) === 'source-gone');
});

test('attempts that fail before the first byte keep no file open', async () => {
  await using bench = await CopyBench.make({ seed: 'blocked', sizeBytes: 1000 });
  const name = createHash('sha256').update(`${bench.origin.url}\0${PATH}`).digest('hex');
  await mkdir(join(bench.dir, `${name}.journal`));
  const held = async (): Promise<number> => {
    const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
    return (await Promise.all(links)).filter((target) => target.startsWith(bench.folder.path)).length;
  };
  for (let attempt = 0; attempt < 3; attempt += 1) await assert.rejects(bench.run(), /EISDIR/);
  assert.equal(await held(), 0);
});

test('a directory for partial files that was deleted by hand is made again', async () => {
  await using bench = await CopyBench.make({ seed: 'deleted', sizeBytes: 1000 });
  await rm(bench.dir, { recursive: true });
  await bench.run();
  await bench.checkWhole();
});

test('an empty file is copied too', async () => {
  await using bench = await CopyBench.make({ seed: 'empty', sizeBytes: 0 });
  const { sha256, manifest } = await bench.run();
  assert.equal(sha256, bench.blob.sha256);
  assert.equal(manifest.pieceHashes.length, 0);
});

test('kill -9 at any moment loses at most the piece that was being copied', async () => {
  const seed = Number(process.env['SHOAL_TEST_SEED'] ?? '7');
  const random = seededRandom(seed);
  await using bench = await CopyBench.make({ seed: `kill ${seed}`, sizeBytes: 24 * 1024 * 1024 });
  const { length } = bench.blob.bytes;
  const script = join(import.meta.dirname, 'support/copy-process.ts');
  const root = join(bench.folder.path, 'mount');
  let readBytes = 0;
  let ended: { sha256: string; resumedBytes: number } | undefined;
  for (let kills = 0; ended === undefined; kills += 1) {
    const killAt = kills < 3 ? random() * 8e6 : Infinity;
    const child = spawn(process.execPath, [script, root, PATH, String(length), bench.dir], { stdio: 'pipe' });
    child.stdin.end('go\n');
    let bytes = 0;
    for await (const line of createInterface(child.stdout)) {
      if (line.startsWith('{')) ended = JSON.parse(line) as typeof ended;
      else if (line !== 'ready') bytes = Number(line);
      if (bytes >= killAt) child.kill('SIGKILL');
    }
    readBytes += bytes;
  }
  assert.equal(ended.sha256, bench.blob.sha256, `seed ${seed}`);
  assert.ok(readBytes <= length + 3 * 2 * 1024 * 1024, `seed ${seed}: ${readBytes} bytes read for ${length}`);
  assert.equal((await stat(partialPath(bench.dir, ended.sha256))).size, length);
  await bench.checkWhole();
});
