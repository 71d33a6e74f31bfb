import fc from 'fast-check';
import { type Blake3Engine, loadBlake3 } from '../../src/content/blake3.ts';
import { manifestCid } from '../../src/content/cid.ts';
import type { Manifest } from '../../src/content/manifest.ts';
import type { ModelFile } from '../../src/content/model.ts';
import { geometryOf } from '../../src/content/piece-geometry.ts';
import { seededRandom } from '../../src/util/random.ts';

export const blake3: Blake3Engine = await loadBlake3();

/** The pattern of the BLAKE3 team's test vectors. */
export function patternBytes(length: number): Uint8Array {
  return new Uint8Array(length).map((_, index) => index % 251);
}

export function randomBytes(length: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return new Uint8Array(length).map(() => Math.floor(random() * 256));
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export const sha256s: fc.Arbitrary<string> = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));

/** Up to some hundred pieces, small blobs and edges of pieces more often than others. */
const sizes = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 1 << 20 }),
  fc.integer({ min: 1, max: 1 << 26 }),
  fc.integer({ min: 1, max: 256 }).map((pieces) => pieces * 256 * 1024),
);

export const manifests: fc.Arbitrary<Manifest> = fc
  .record({ sizeBytes: sizes, sha256: sha256s, seed: fc.nat() })
  .map(({ sizeBytes, sha256, seed }) => {
    const { pieceSizeBytes, pieceCount } = geometryOf(sizeBytes);
    return { sizeBytes, pieceSizeBytes, sha256, pieceHashes: randomBytes(pieceCount * 32, seed) };
  });

/** Paths in which everything that the model rules look at happens often. */
const names = fc.constantFrom(
  'a',
  'b',
  'x.gguf',
  'X.GGUF',
  'x-00001-of-00002.gguf',
  'x-00002-of-00002.gguf',
  'x-00001-of-00003.gguf',
  'x-00001-of-00001.safetensors',
  'x.safetensors',
  'config.json',
  'model_index.json',
  'readme.md',
  '.hidden',
  '.safetensors',
  'ä.ckpt',
);
export const diskPaths: fc.Arbitrary<string[]> = fc
  .uniqueArray(
    fc.array(names, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
    { maxLength: 40 },
  )
  // A name cannot be a file and a folder at once.
  .map((paths) => paths.filter((path) => !paths.some((other) => other.startsWith(`${path}/`))));

export function fileAt(path: string, content = path): ModelFile {
  const digest = blake3.hash(Buffer.from(content));
  const manifest = manifestCid(digest, blake3);
  return { path, sizeBytes: content.length, sha256: hexOf(digest), manifest };
}
