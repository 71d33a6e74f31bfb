import { createHash } from 'node:crypto';
import { ShoalError } from '../util/errors.ts';
import { parseManifestCid } from './cid.ts';
import { formatDigest, isSha256, type Sha256 } from './digest.ts';
import type { ModelMetadata } from './metadata.ts';
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
  readonly files: readonly ModelFile[];
  readonly metadata?: ModelMetadata;
}

export const MODEL_MAX_FILES = 100_000;
export const MODEL_MAX_ALIASES = 16;
const NAME_MAX_BYTES = 1024;

/**
 * One file: its own sha256. Several: the sha256 over the lines `<sha256>  <path>\n`, sorted by path, with paths relative
 * to the model's folder, so that `cd model && sha256sum $(find -type f | sort) | sha256sum` says the same.
 */
export function modelDigest(id: string, files: readonly Pick<ModelFile, 'path' | 'sha256'>[]): string {
  const [first] = files;
  if (files.length === 1 && first !== undefined && first.path === id) return formatDigest(first.sha256);
  const folder = id.endsWith('/') ? id : `${id}/`;
  const parent = id.slice(0, id.lastIndexOf('/') + 1);
  const lines = files.map(({ path, sha256 }) => {
    const inside = path.startsWith(folder) ? path.slice(folder.length) : path.slice(parent.length);
    return { inside, line: `${sha256}  ${inside}\n` };
  });
  lines.sort((a, b) => (a.inside < b.inside ? -1 : a.inside > b.inside ? 1 : 0));
  const hash = createHash('sha256');
  for (const { line } of lines) hash.update(line);
  return formatDigest(hash.digest('hex'));
}

/** Puts a model together from its verified files. */
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
 * Holds a model that came from outside against every rule: names, paths that stay inside the model's own scope, sizes,
 * digests, and limits on counts.
 * @throws ShoalError `invalid`
 */
export function validateModel(model: Omit<Model, 'sizeBytes'> & { readonly sizeBytes?: number }): Model {
  parseModelPath(model.id);
  if (model.aliases.length > MODEL_MAX_ALIASES) throw invalid(model.id, `has ${model.aliases.length} aliases`);
  for (const alias of model.aliases) parseAlias(alias);
  if (model.files.length === 0) throw invalid(model.id, 'has no files');
  if (model.files.length > MODEL_MAX_FILES) throw invalid(model.id, `has ${model.files.length} files`);
  const seen = new Set<string>();
  for (const file of model.files) {
    parseModelPath(file.path);
    if (!belongsTo(file.path, model.id)) throw invalid(model.id, `names a file outside itself: ${file.path}`);
    if (seen.has(file.path)) throw invalid(model.id, `names ${file.path} twice`);
    seen.add(file.path);
    geometryOf(file.sizeBytes);
    if (!isSha256(file.sha256)) throw invalid(model.id, `has no sha256 for ${file.path}`);
    parseManifestCid(file.manifest);
  }
  const made = makeModel(model.id, [...model.aliases], model.files, model.metadata);
  if (made.digest !== model.digest) throw invalid(model.id, 'has a digest that is not that of its files');
  if (model.sizeBytes !== undefined && model.sizeBytes !== made.sizeBytes) {
    throw invalid(model.id, 'has a size that is not that of its files');
  }
  return made;
}

/** A name given on registration: any printable text of at most 1,024 bytes. @throws ShoalError `invalid` */
export function parseAlias(text: string): string {
  if (text.length === 0 || Buffer.byteLength(text) > NAME_MAX_BYTES || !text.isWellFormed() || /\p{Cc}/u.test(text)) {
    throw new ShoalError('invalid', `${JSON.stringify(text.slice(0, 200))} is not a name for a model`);
  }
  return text;
}

/** A model's files are the file of its id, what lies in the folder of its id, or the shards of its id. */
function belongsTo(path: string, id: string): boolean {
  return path === id || path.startsWith(`${id}/`) || shardOf(path)?.whole === id;
}

function invalid(id: string, problem: string): ShoalError {
  return new ShoalError('invalid', `model ${JSON.stringify(id.slice(0, 200))} ${problem}`);
}
