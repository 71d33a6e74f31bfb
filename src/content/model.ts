import { createHash } from 'node:crypto';
import { ShoalError } from '../util/errors.ts';
import { parseManifestCid } from './cid.ts';
import { formatDigest, isSha256, type Sha256 } from './digest.ts';
import { type ModelMetadata, validateMetadata } from './metadata.ts';
import { parseModelPath } from './model-path.ts';
import { shardOf } from './model-rules.ts';
import { geometryOf } from './piece-geometry.ts';

export interface ModelFile {
  /** Relative to the models directory. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: Sha256;
  /** CID of the file's manifest. */
  readonly manifest: string;
}

/** A named set of files: one checkpoint, one GGUF or its shards, or a directory. */
export interface Model {
  readonly id: string;
  readonly aliases: readonly string[];
  /** `sha256:<hex>`, see `modelDigest`. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Sorted by path. */
  readonly files: readonly ModelFile[];
  readonly metadata?: ModelMetadata;
  /** Its node wants no work to be placed on it any more; it can be fetched like any other. */
  readonly retired?: true;
}

export const MODEL_MAX_FILES = 100_000;
export const MODEL_MAX_ALIASES = 16;
const ALIAS_MAX_BYTES = 1024;

/**
 * One file: its own sha256. Several: the sha256 over the lines `<sha256>  <path>\n`, sorted by the bytes of the path,
 * with paths relative to the model's folder; so a shell in that folder finds the same with
 * `find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum`.
 */
export function modelDigest(id: string, files: readonly Pick<ModelFile, 'path' | 'sha256'>[]): string {
  const [first] = files;
  if (files.length === 1 && first !== undefined) return formatDigest(first.sha256);
  const folder = `${id}/`;
  // Shards lie beside each other: their folder is the one that the id lies in.
  const parent = id.slice(0, id.lastIndexOf('/') + 1);
  const lines = files.map(({ path, sha256 }) => {
    const inside = path.slice(path.startsWith(folder) ? folder.length : parent.length);
    return { key: Buffer.from(inside), line: `${sha256}  ${inside}\n` };
  });
  lines.sort((a, b) => Buffer.compare(a.key, b.key));
  const hash = createHash('sha256');
  for (const { line } of lines) hash.update(line);
  return formatDigest(hash.digest('hex'));
}

/** Puts a model together from its files; trusts them (`validateModel` does not). */
export function makeModel(
  id: string,
  aliases: readonly string[],
  files: readonly ModelFile[],
  metadata?: ModelMetadata,
): Model {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return {
    id,
    aliases,
    digest: modelDigest(id, sorted),
    sizeBytes: sorted.reduce((sum, file) => sum + file.sizeBytes, 0),
    files: sorted,
    ...(metadata === undefined ? {} : { metadata }),
  };
}

/**
 * Holds what came from outside (a record, a published list) against every rule: types, names, paths that stay inside the
 * model's own scope, sizes, digests, counts. Digest and size may be left out; where given they must be right. Unknown
 * fields are dropped.
 * @throws ShoalError `invalid`
 */
export function validateModel(value: unknown): Model {
  const { id, aliases, digest, sizeBytes, files, metadata, retired } = fieldsOf(value, 'a model');
  const name = parseModelPath(textOf(id, 'the id of a model'));
  const made = makeModel(name, parseAliases(name, aliases), parseFiles(name, files), validateMetadata(metadata));
  if (!Number.isSafeInteger(made.sizeBytes)) throw invalid(name, 'is larger than any disk');
  if (digest !== undefined && digest !== made.digest) throw invalid(name, 'has a digest that is not that of its files');
  if (sizeBytes !== undefined && sizeBytes !== made.sizeBytes) {
    throw invalid(name, 'has a size that is not that of its files');
  }
  return retired === true ? { ...made, retired } : made;
}

/** A name given on registration: any text of at most 1,024 bytes without control characters. @throws ShoalError `invalid` */
export function parseAlias(text: string): string {
  if (text.length === 0 || text.length > ALIAS_MAX_BYTES || Buffer.byteLength(text) > ALIAS_MAX_BYTES) {
    throw new ShoalError('invalid', `a name for a model has 1 to ${ALIAS_MAX_BYTES} bytes`);
  }
  if (!text.isWellFormed() || /\p{Cc}/u.test(text)) {
    throw new ShoalError('invalid', `${JSON.stringify(text.slice(0, 200))} is not a name for a model`);
  }
  return text;
}

function parseAliases(id: string, value: unknown): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid(id, 'has aliases that are no list');
  if (value.length > MODEL_MAX_ALIASES) throw invalid(id, `has ${value.length} aliases`);
  return [...new Set(value.map((alias: unknown) => parseAlias(textOf(alias, 'an alias'))))];
}

function parseFiles(id: string, value: unknown): ModelFile[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid(id, 'has no files');
  if (value.length > MODEL_MAX_FILES) throw invalid(id, `has ${value.length} files`);
  const files = value.map((file: unknown) => parseFile(id, file));
  checkScope(
    id,
    files.map((file) => file.path),
  );
  return files;
}

function parseFile(id: string, value: unknown): ModelFile {
  const { path, sizeBytes, sha256, manifest } = fieldsOf(value, 'a file of a model');
  const name = parseModelPath(textOf(path, 'the path of a file'));
  if (typeof sizeBytes !== 'number') throw invalid(id, `has no size for ${name}`);
  geometryOf(sizeBytes);
  if (typeof sha256 !== 'string' || !isSha256(sha256)) throw invalid(id, `has no sha256 for ${name}`);
  return { path: name, sizeBytes, sha256, manifest: parseManifestCid(textOf(manifest, 'the manifest of a file')) };
}

/** The file of the id and nothing else, or all the shards of the id, or files in the folder of the id. */
function checkScope(id: string, paths: readonly string[]): void {
  const [only] = paths;
  if (only === id && paths.length === 1) return;
  const seen = new Set(paths);
  if (seen.size < paths.length) throw invalid(id, 'names a file twice');
  const set = shardOf(paths[0] ?? '');
  const isNamed = set !== undefined && set.count === paths.length && (set.whole === id || seen.has(id));
  if (isNamed && paths.every((path) => shardOf(path)?.first === set.first)) return;
  for (const path of paths) {
    if (!path.startsWith(`${id}/`)) throw invalid(id, `names a file outside itself: ${path}`);
    // No disk can hold both `a` and `a/b` as files.
    for (let slash = path.indexOf('/', id.length + 1); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      if (seen.has(path.slice(0, slash))) throw invalid(id, `names ${path.slice(0, slash)} as a file and as a folder`);
    }
  }
}

function fieldsOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new ShoalError('invalid', `${what} is no object`);
  return value as Readonly<Record<string, unknown>>;
}

function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new ShoalError('invalid', `${what} is no text`);
  return value;
}

function invalid(id: string, problem: string): ShoalError {
  return new ShoalError('invalid', `model ${JSON.stringify(id.slice(0, 200))} ${problem}`);
}
