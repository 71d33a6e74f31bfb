// The process behind `DirectoryWatcher`: lists a directory without pause, as a program that loads models might at any
// moment, and hashes every name it has not seen in this shape. Orders come as JSON lines on standard input, findings go
// out on standard output.
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

export type WatcherOrder =
  | { readonly kind: 'expect'; readonly path: string; readonly sizeBytes: number; readonly sha256: string }
  | { readonly kind: 'ignore'; readonly path: string }
  | { readonly kind: 'begin' }
  | { readonly kind: 'stop' };

export type WatcherFinding =
  | { readonly kind: 'taken' }
  | { readonly kind: 'seen'; readonly path: string; readonly atMs: number; readonly complete: boolean }
  | { readonly kind: 'violation'; readonly path: string; readonly atMs: number; readonly what: string }
  | { readonly kind: 'stopped'; readonly listings: number };

/** What some program or other takes for a model, wherever it lies and even if its name begins with a dot. */
const LOADABLE = /\.(ckpt|pt|pt2|bin|pth|safetensors|pkl|sft|gguf|onnx)$/;
const PAUSE_MS = 2;

const root = process.argv[2] ?? '.';
const expected = new Map<string, { sizeBytes: number; sha256: string }>();
const ignored = new Set<string>();
const known = new Map<string, string>();
const checks = new Set<Promise<void>>();
const stop = new AbortController();
const begin = Promise.withResolvers<true>();
let listings = 0;

const report = (finding: WatcherFinding): boolean => process.stdout.write(`${JSON.stringify(finding)}\n`);

function shapeOf(file: string): { shape: string; sizeBytes: number; changedMs: number } | undefined {
  try {
    const stats = statSync(file);
    // No ctime: a name that is linked or unlinked elsewhere changes it, while the bytes stay as they are.
    return { shape: `${stats.ino} ${stats.size} ${stats.mtimeMs}`, sizeBytes: stats.size, changedMs: stats.mtimeMs };
  } catch {
    return undefined; // gone between the listing and now
  }
}

function list(): void {
  listings += 1;
  const names = new Set<string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const file = join(entry.parentPath, entry.name);
    const path = relative(root, file);
    if (path.startsWith('.shoal/') && !LOADABLE.test(path)) continue;
    names.add(path);
    const found = shapeOf(file);
    if (found === undefined || known.get(path) === found.shape) continue;
    known.set(path, found.shape);
    look(path, file, found);
  }
  for (const path of known.keys()) if (!names.has(path)) known.delete(path);
}

function look(path: string, file: string, found: { shape: string; sizeBytes: number }): void {
  if (ignored.has(path)) return;
  const atMs = Date.now();
  const want = expected.get(path);
  report({ kind: 'seen', path, atMs, complete: want?.sizeBytes === found.sizeBytes });
  const violation = (what: string): boolean => report({ kind: 'violation', path, atMs, what });
  if (want === undefined) return void violation('a name that nobody expects');
  if (want.sizeBytes !== found.sizeBytes)
    return void violation(`visible with ${found.sizeBytes} of ${want.sizeBytes} bytes`);
  const check = (async () => {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
    const digest = hash.digest('hex');
    if (expected.get(path) !== want || ignored.has(path)) return; // the test has changed its mind meanwhile
    const now = shapeOf(file);
    if (digest !== want.sha256) violation(`visible with wrong content (sha256 ${digest})`);
    else if (now !== undefined && now.shape !== found.shape) violation('written to after it became visible');
  })()
    .catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') violation(String(error));
    })
    .finally(() => checks.delete(check));
  checks.add(check);
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line) as WatcherOrder;
  switch (order.kind) {
    case 'expect':
      expected.set(order.path, order);
      ignored.delete(order.path);
      known.delete(order.path);
      break;
    case 'ignore':
      ignored.add(order.path);
      break;
    case 'begin':
      begin.resolve(true);
      break;
    case 'stop':
      stop.abort();
      break;
  }
  report({ kind: 'taken' });
});
await begin.promise;
while (!stop.signal.aborted) {
  try {
    list();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // a directory that went away under the listing
  }
  await delay(PAUSE_MS);
}
list();
await Promise.all(checks);
report({ kind: 'stopped', listings });
process.exit(0);
