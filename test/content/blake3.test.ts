import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { type Blake3Engine, firstThatWorks, loadBlake3 } from '../../src/content/blake3.ts';
import { hexOf, patternBytes, randomBytes } from './arbitraries.ts';

/** From the official test vectors: length of the pattern, digest. */
const VECTORS: readonly (readonly [length: number, digest: string])[] = [
  [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
  [1023, '10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11'],
  [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  [1025, 'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444'],
  [2048, 'e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a'],
  [31744, '62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47'],
  [102400, 'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085'],
];

const native = await loadBlake3('native');
const wasm = await loadBlake3('wasm');

test('both engines are really there', () => {
  assert.deepEqual([native.kind, wasm.kind], ['native', 'wasm']);
});

for (const engine of [native, wasm]) {
  test(`the ${engine.kind} engine agrees with the official test vectors`, () => {
    for (const [length, digest] of VECTORS) {
      assert.equal(hexOf(engine.hash(patternBytes(length))), digest, `${length} bytes`);
      assert.equal(hexOf(engine.create().update(patternBytes(length)).digest()), digest, `${length} bytes, streamed`);
    }
  });

  test(`the ${engine.kind} engine hashes views, shared memory and buffers of the pool by their own bytes only`, () => {
    const expected = hexOf(engine.hash(patternBytes(1000)));
    const padded = new Uint8Array(1011).fill(0xaa);
    padded.set(patternBytes(1000), 3);
    const shared = new Uint8Array(new SharedArrayBuffer(1011), 3, 1000);
    shared.set(patternBytes(1000));
    for (const bytes of [padded.subarray(3, 1003), shared, Buffer.from(patternBytes(1000))]) {
      assert.equal(hexOf(engine.hash(bytes)), expected);
      assert.equal(hexOf(engine.create().update(bytes).digest()), expected);
    }
  });

  test(`a stream of the ${engine.kind} engine ends once, and its digest is the caller's own`, () => {
    const stream = engine.create().update(patternBytes(10));
    const digest = stream.digest();
    assert.ok(digest.constructor === Uint8Array && digest.length === 32 && digest.buffer.byteLength === 32);
    assert.throws(() => stream.digest(), /ended/);
    assert.throws(() => stream.update(new Uint8Array(1)), /ended/);
  });
}

test('both engines agree on any bytes, cut anywhere, with streams that run side by side', () => {
  const bytes = fc.record({ length: fc.oneof(fc.nat(5000), fc.nat(400_000)), seed: fc.nat() });
  fc.assert(
    fc.property(bytes, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }), (input, shares) => {
      const all = randomBytes(input.length, input.seed);
      const cuts = [0, ...shares.map((share) => Math.floor(share * all.length)).sort((a, b) => a - b), all.length];
      const expected = hexOf(native.hash(all));
      const streams = [native.create(), wasm.create(), wasm.create()];
      for (const [index, cut] of cuts.entries()) {
        for (const stream of streams) stream.update(all.subarray(cut, cuts[index + 1] ?? all.length));
      }
      for (const stream of streams) assert.equal(hexOf(stream.digest()), expected);
      assert.equal(hexOf(wasm.hash(all)), expected);
    }),
    { numRuns: 40 },
  );
});

test('where the native module cannot be loaded, a worker thread falls back to WebAssembly by itself', async () => {
  const source = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(new URL('../../src/content/blake3.ts', import.meta.url).href)})
      .then(({ loadBlake3 }) => loadBlake3())
      .then((engine) => parentPort.postMessage([engine.kind, Buffer.from(engine.hash(new Uint8Array(0))).toString('hex')]));`;
  const heard = async (env: NodeJS.ProcessEnv): Promise<unknown> => {
    const worker = new Worker(source, { eval: true, env });
    try {
      return await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    } finally {
      await worker.terminate();
    }
  };
  const [, empty] = VECTORS[0]!;
  assert.deepEqual(await heard({}), ['native', empty]);
  // The native package looks for its binary here first, and nowhere else when this is set.
  assert.deepEqual(await heard({ NAPI_RS_NATIVE_LIBRARY_PATH: '/nonexistent/blake3.node' }), ['wasm', empty]);
});

test('an engine that computes something else is not used', async () => {
  const liar: Blake3Engine = { kind: 'native', hash: () => new Uint8Array(32), create: () => native.create() };
  const engine = await firstThatWorks([() => Promise.resolve(liar), () => Promise.resolve(wasm)]);
  assert.equal(engine, wasm);
  await assert.rejects(firstThatWorks([() => Promise.resolve(liar)]), /no BLAKE3 engine works here/);
});

test('WebAssembly memory stays small, with large inputs and with streams that are given up', async () => {
  const memoryBytes = (): number => {
    const require = createRequire(import.meta.resolve('blake3-wasm'));
    const glue = require('./wasm/nodejs/blake3_js.js') as { __wasm: { memory: { buffer: ArrayBuffer } } };
    return glue.__wasm.memory.buffer.byteLength;
  };
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  wasm.hash(new Uint8Array(16 * 1024 * 1024));
  const before = memoryBytes();
  assert.ok(before < 4 * 1024 * 1024, `${before} bytes after one piece of 16 MiB`);
  for (let batch = 0; batch < 20; batch += 1) {
    // Some 2 KB each: 20,000 of them would be 40 MB.
    for (let index = 0; index < 1000; index += 1) wasm.create().update(Uint8Array.of(1));
    collect();
    // Finalizers run between turns of the event loop.
    await setImmediate();
  }
  const after = memoryBytes();
  assert.ok(after - before < 12 * 1024 * 1024, `${before} bytes grew to ${after}`);
});
