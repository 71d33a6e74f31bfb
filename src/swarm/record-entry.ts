import type { Blake3Engine } from '../content/blake3.ts';
import { parseManifestCid } from '../content/cid.ts';
import { formatDigest, isSha256, type Sha256 } from '../content/digest.ts';
import type { ModelMetadata } from '../content/metadata.ts';
import { MODEL_MAX_ALIASES, MODEL_MAX_FILES, type Model, validateModel } from '../content/model.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import { ShoalError } from '../util/errors.ts';
import { refuseHollowFiles } from './hollow-files.ts';
import { decodeText, encodeText } from './text.ts';
import { EntryMessage, type MetadataMessage } from './wire/record-entry.js';

/** A blob of which a node holds some pieces. */
export interface PartialBlob {
  readonly sha256: Sha256;
  readonly sizeBytes: number;
  /** CID of its manifest. */
  readonly manifest: string;
}

export type EntryContent =
  | { readonly kind: 'model'; readonly model: Model }
  | { readonly kind: 'partial'; readonly partial: PartialBlob };

/** One model or partial blob, as its owner encoded it: the bytes are what travels and what is hashed. */
export interface RecordEntry {
  /** Unique within a record: `m:` and the model's id, or `p:` and the blob's sha256. */
  readonly key: string;
  /** BLAKE3 of the bytes, as 64 hex digits. */
  readonly hash: string;
  readonly bytes: Uint8Array;
  /** What the bytes say; may be replaced by its equal (`shareEntry`). */
  content: EntryContent;
}

/** Of two entries with the same bytes only one is kept, and its content is what this node has anyway. */
export function shareEntry(kept: RecordEntry, { content }: RecordEntry): RecordEntry {
  kept.content = content;
  return kept;
}

export const ENTRY_MAX_BYTES = 16 * 1024 * 1024;
const TEXT_MAX_BYTES = 1024;
const METADATA_MAX_BYTES = 256;

export function modelKey(id: string): string {
  return `m:${id}`;
}

export function partialKey(sha256: Sha256): string {
  return `p:${sha256}`;
}

/** @throws ShoalError `invalid` for a model too large to announce */
export function modelEntry(model: Model, blake3: Blake3Engine): RecordEntry {
  const { metadata } = model;
  return seal({ kind: 'model', model }, blake3, {
    model: {
      id: encodeText(model.id),
      aliases: model.aliases.map(encodeText),
      digest: digestBytes(model.digest.slice('sha256:'.length)),
      retired: model.retired === true,
      files: model.files.map((file) => ({
        path: encodeText(file.path),
        sizeBytes: file.sizeBytes,
        sha256: digestBytes(file.sha256),
        manifest: encodeText(file.manifest),
      })),
      ...(metadata === undefined ? {} : { metadata: encodeMetadata(metadata) }),
    },
  });
}

export function partialEntry(partial: PartialBlob, blake3: Blake3Engine): RecordEntry {
  const { sha256, sizeBytes, manifest } = partial;
  return seal({ kind: 'partial', partial }, blake3, {
    partial: { sha256: digestBytes(sha256), sizeBytes, manifest: encodeText(manifest) },
  });
}

/**
 * An entry as it came from the network, held against every rule.
 * @throws ShoalError `invalid`
 */
export function decodeEntry(bytes: Uint8Array, blake3: Blake3Engine): RecordEntry {
  if (bytes.length > ENTRY_MAX_BYTES) throw new ShoalError('invalid', `an entry of ${bytes.length} bytes`);
  const content = decodeContent(bytes);
  // A copy: what came is a view of a frame, which would live as long as its smallest entry.
  return { key: keyOf(content), hash: hashOf(bytes, blake3), bytes: bytes.slice(), content };
}

export function hashOf(bytes: Uint8Array, blake3: Blake3Engine): string {
  return Buffer.from(blake3.hash(bytes)).toString('hex');
}

function seal(content: EntryContent, blake3: Blake3Engine, message: EntryMessage): RecordEntry {
  const bytes = EntryMessage.encode(message);
  if (bytes.length > ENTRY_MAX_BYTES) {
    throw new ShoalError('invalid', `${keyOf(content)} cannot be announced: it has too many files`, {
      fields: { bytes: bytes.length, maxBytes: ENTRY_MAX_BYTES },
    });
  }
  return { key: keyOf(content), hash: hashOf(bytes, blake3), bytes, content };
}

function keyOf(content: EntryContent): string {
  return content.kind === 'model' ? modelKey(content.model.id) : partialKey(content.partial.sha256);
}

function decodeContent(bytes: Uint8Array): EntryContent {
  const { model, partial } = parse(bytes);
  if (model !== undefined && partial === undefined) {
    const metadata = model.metadata === undefined ? undefined : decodeMetadata(model.metadata);
    return {
      kind: 'model',
      model: validateModel({
        id: decodeText(model.id, TEXT_MAX_BYTES),
        aliases: model.aliases.map((alias) => decodeText(alias, TEXT_MAX_BYTES)),
        digest: formatDigest(hexDigest(model.digest)),
        retired: model.retired,
        files: model.files.map((file) => ({
          path: decodeText(file.path, TEXT_MAX_BYTES),
          sizeBytes: file.sizeBytes,
          sha256: hexDigest(file.sha256),
          manifest: decodeText(file.manifest, TEXT_MAX_BYTES),
        })),
        ...(metadata === undefined ? {} : { metadata }),
      }),
    };
  }
  if (partial !== undefined && model === undefined) {
    geometryOf(partial.sizeBytes);
    return {
      kind: 'partial',
      partial: {
        sha256: hexDigest(partial.sha256),
        sizeBytes: partial.sizeBytes,
        manifest: parseManifestCid(decodeText(partial.manifest, TEXT_MAX_BYTES)),
      },
    };
  }
  throw new ShoalError('invalid', 'an entry that is neither a model nor a partial blob');
}

function parse(bytes: Uint8Array): EntryMessage {
  refuseHollowFiles(bytes);
  try {
    return EntryMessage.decode(bytes, { limits: { model: { files: MODEL_MAX_FILES, aliases: MODEL_MAX_ALIASES } } });
  } catch (error) {
    throw new ShoalError('invalid', 'an entry that cannot be decoded', { cause: error });
  }
}

function digestBytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

function hexDigest(bytes: Uint8Array): Sha256 {
  const hex = Buffer.from(bytes).toString('hex');
  if (!isSha256(hex)) throw new ShoalError('invalid', `a sha256 of ${bytes.length} bytes`);
  return hex;
}

function encodeMetadata(metadata: ModelMetadata): MetadataMessage {
  const { format, architecture, family, parameters, quantisation, contextLength, name } = metadata;
  return {
    format: encodeText(format),
    ...(architecture === undefined ? {} : { architecture: shortText(architecture) }),
    ...(family === undefined ? {} : { family: shortText(family) }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(quantisation === undefined ? {} : { quantisation: shortText(quantisation) }),
    ...(contextLength === undefined ? {} : { contextLength }),
    ...(name === undefined ? {} : { name: shortText(name) }),
  };
}

/** Headers of model files hold anything; what is too long to show is cut, between two characters. */
function shortText(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(METADATA_MAX_BYTES);
  return bytes.slice(0, new TextEncoder().encodeInto(text, bytes).written);
}

function decodeMetadata(message: MetadataMessage): ModelMetadata | undefined {
  const format = decodeText(message.format, METADATA_MAX_BYTES);
  // A newer node may know more formats: its model is as good without them.
  if (format !== 'gguf' && format !== 'safetensors') return undefined;
  const { architecture, family, parameters, quantisation, contextLength, name } = message;
  const text = (bytes: Uint8Array): string => decodeText(bytes, METADATA_MAX_BYTES);
  return {
    format,
    ...(architecture === undefined ? {} : { architecture: text(architecture) }),
    ...(family === undefined ? {} : { family: text(family) }),
    ...(parameters === undefined ? {} : { parameters: safeNumber(parameters) }),
    ...(quantisation === undefined ? {} : { quantisation: text(quantisation) }),
    ...(contextLength === undefined ? {} : { contextLength: safeNumber(contextLength) }),
    ...(name === undefined ? {} : { name: text(name) }),
  };
}

function safeNumber(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new ShoalError('invalid', `${value} is no count`);
  return value;
}
