import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseGgufHeader } from '../../src/content/metadata-gguf.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { ggufHeader } from '../support/make-gguf.ts';

const isInvalid = (error: unknown): boolean => error instanceof ShoalError && error.code === 'invalid';
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: bigint | number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const tensor = (name: string, dimensions: readonly (number | bigint)[], type: number): Buffer =>
  Buffer.concat([text(name), u32(dimensions.length), ...dimensions.map(u64), u32(type), u64(0)]);

function header(pairs: readonly Buffer[], tensors: readonly Buffer[] = [], version = 3): Buffer {
  return Buffer.concat([
    Buffer.from('GGUF'),
    u32(version),
    u64(tensors.length),
    u64(pairs.length),
    ...pairs,
    ...tensors,
  ]);
}

function parseOrRefuse(bytes: Uint8Array): ReturnType<typeof parseGgufHeader> | undefined {
  try {
    return parseGgufHeader(bytes);
  } catch (error) {
    assert.ok(isInvalid(error), String(error));
    return undefined;
  }
}

test('a header says architecture, name, parameters, quantisation and context length', () => {
  const { header: bytes } = ggufHeader({ seed: 'x', sizeBytes: 5_000_000, name: 'Some Llama' });
  assert.deepEqual(parseGgufHeader(bytes), {
    format: 'gguf',
    architecture: 'llama',
    name: 'Some Llama',
    parameters: 4_698_112,
    quantisation: 'Q8_0',
    contextLength: 8192,
  });
});

test('every type of value is stepped over, and keys may come in any order', () => {
  const scalars = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
  const pairs = scalars.flatMap((size, type) =>
    size === undefined ? [] : [Buffer.concat([text(`k${type}`), u32(type), Buffer.alloc(size, 0xff)])],
  );
  const arrays = [
    Buffer.concat([text('bytes'), u32(9), u32(0), u64(3), Buffer.alloc(3)]),
    Buffer.concat([text('texts'), u32(9), u32(8), u64(2), text('a'), text('')]),
    Buffer.concat([text('lists'), u32(9), u32(9), u64(2), u32(4), u64(1), u32(7), u32(8), u64(1), text('b')]),
  ];
  const bytes = header([
    Buffer.concat([text('flux.context_length'), u32(10), u64(512)]),
    ...pairs,
    ...arrays,
    Buffer.concat([text('general.architecture'), u32(8), text('flux')]),
  ]);
  assert.deepEqual(parseGgufHeader(bytes), {
    format: 'gguf',
    architecture: 'flux',
    family: 'flux',
    contextLength: 512,
  });
});

test('without a file type the tensors tell the quantisation', () => {
  const tensors = [tensor('a', [1000, 10], 12), tensor('b', [30], 0), tensor('c', [], 0)];
  assert.deepEqual(parseGgufHeader(header([], tensors, 2)), {
    format: 'gguf',
    parameters: 10_031,
    quantisation: 'Q4_K',
  });
});

test('a header that goes on past its bytes needs more, wherever it is cut', () => {
  const { header: bytes } = ggufHeader({ seed: 'x', sizeBytes: 2_000_000 });
  const whole = parseGgufHeader(bytes);
  let cut = 0;
  while (cut < bytes.length && parseGgufHeader(bytes.subarray(0, cut)) === 'need-more') cut += 1;
  // All that follows is padding up to the alignment.
  assert.ok(bytes.length - cut < 32, `complete already after ${cut} of ${bytes.length} bytes`);
  assert.deepEqual(parseGgufHeader(bytes.subarray(0, cut)), whole);
});

test('what is no GGUF of a known version is refused', () => {
  const bad: Record<string, Buffer> = {
    magic: Buffer.concat([Buffer.from('GGML'), u32(3), u64(0), u64(0)]),
    'version 1': header([], [], 1),
    'big-endian': header([], [], 0x03000000),
    'a value of no type': header([Buffer.concat([text('k'), u32(13), u64(0)])]),
    'an array of no type': header([Buffer.concat([text('k'), u32(9), u32(99), u64(1), u64(0)])]),
    'too many dimensions': header(
      [],
      [
        tensor(
          't',
          Array.from({ length: 9 }, () => 1),
          0,
        ),
      ],
    ),
  };
  for (const [what, bytes] of Object.entries(bad)) assert.throws(() => parseGgufHeader(bytes), isInvalid, what);
});

test('counts and lengths that nothing can have are refused without a loop or an allocation', () => {
  const huge = 2n ** 63n;
  const start = Buffer.concat([Buffer.from('GGUF'), u32(3)]);
  const nested = (depth: number): Buffer =>
    Buffer.concat([u32(9), ...Array.from({ length: depth }, () => Buffer.concat([u32(9), u64(1)]))]);
  const refused: Record<string, Buffer> = {
    tensors: Buffer.concat([start, u64(huge), u64(0)]),
    pairs: Buffer.concat([start, u64(0), u64(huge)]),
    'a key': Buffer.concat([start, u64(0), u64(1), u64(huge)]),
    'a text': header([Buffer.concat([text('k'), u32(8), u64(huge)])]),
    'a shown text': header([Buffer.concat([text('general.name'), u32(8), u64(huge)])]),
    'an array': header([Buffer.concat([text('k'), u32(9), u32(12), u64(huge)])]),
    'an array of texts': header([Buffer.concat([text('k'), u32(9), u32(8), u64(huge)])]),
    'arrays in arrays': header([Buffer.concat([text('k'), nested(100_000)])]),
  };
  const before = process.memoryUsage().arrayBuffers;
  const started = performance.now();
  for (const [what, bytes] of Object.entries(refused)) assert.throws(() => parseGgufHeader(bytes), isInvalid, what);
  // Within the bounds, but not there: more is asked for, nothing is set aside.
  const absent = [
    Buffer.concat([start, u64(1_000_000), u64(1_000_000)]),
    header([Buffer.concat([text('general.name'), u32(8), u64(60 * 2 ** 20)])]),
    header([Buffer.concat([text('k'), u32(9), u32(8), u64(2n ** 39n), text('a')])]),
    header([Buffer.concat([text('k'), u32(9), u32(12), u64(2n ** 36n)])]),
  ];
  for (const bytes of absent) assert.equal(parseGgufHeader(bytes), 'need-more');
  assert.ok(performance.now() - started < 1000);
  assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
});

test('numbers and texts past all reason are left out, not shown', () => {
  const long = Buffer.concat([text('general.name'), u32(8), text(`\u001b]0;${'ä'.repeat(5000)}`)]);
  const context = Buffer.concat([text('.context_length'), u32(4), u32(0)]);
  const parsed = parseGgufHeader(
    header([long, context], [tensor('t', [2n ** 62n, 2n ** 62n, 2n ** 62n, 2n ** 62n], 77)]),
  );
  assert.ok(parsed !== 'need-more');
  assert.deepEqual(Object.keys(parsed), ['format', 'name']);
  assert.match(parsed.name ?? '', /^\]0;ä{200,}$/);
  assert.ok((parsed.name ?? '').length <= 256);
});

test('hostile bytes give metadata, a wish for more, or a refusal, and nothing else', () => {
  const { header: bytes } = ggufHeader({ seed: 'x', sizeBytes: 2_000_000 });
  const edit = fc.record({
    at: fc.nat(bytes.length - 1),
    value: fc.constantFrom(0, 1, 8, 9, 0x7f, 0x80, 0xff),
    length: fc.nat(8),
  });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 4 }), fc.nat(bytes.length), (edits, cut) => {
      const hostile = Uint8Array.from(bytes);
      for (const { at, value, length } of edits) hostile.fill(value, at, at + length);
      parseOrRefuse(hostile);
      parseOrRefuse(hostile.subarray(0, cut));
    }),
    { numRuns: 1000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (random) => {
      parseOrRefuse(random);
      parseOrRefuse(Buffer.concat([Buffer.from('GGUF'), u32(3), random]));
      parseOrRefuse(Buffer.concat([Buffer.from('GGUF'), u32(3), u64(2), u64(3), random]));
    }),
    { numRuns: 1000 },
  );
});
