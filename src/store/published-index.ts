import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { MODEL_MAX_ALIASES, MODEL_MAX_FILES, type Model, validateModel } from '../content/model.ts';
import { ShoalError } from '../util/errors.ts';

/** Where `shoal publish` writes, relative to the published directory. */
export const INDEX_PATH = '.shoal/index.json';
export const INDEX_MAX_BYTES = 64 * 1024 * 1024;
const INDEX_VERSION = 1;

export function manifestPath(cid: string): string {
  return `.shoal/manifests/${cid}`;
}

const IndexSchema = Type.Object({
  version: Type.Literal(INDEX_VERSION),
  models: Type.Array(
    Type.Object({
      id: Type.String(),
      aliases: Type.Array(Type.String(), { maxItems: MODEL_MAX_ALIASES }),
      digest: Type.String(),
      files: Type.Array(
        Type.Object({
          path: Type.String(),
          sizeBytes: Type.Integer({ minimum: 0 }),
          sha256: Type.String(),
          manifest: Type.String(),
        }),
        { maxItems: MODEL_MAX_FILES },
      ),
    }),
    { maxItems: MODEL_MAX_FILES },
  ),
});
const compiled = Compile(IndexSchema);

export function formatIndex(models: readonly Model[]): string {
  const index: Static<typeof IndexSchema> = {
    version: INDEX_VERSION,
    models: models.map(({ id, aliases, digest, files }) => ({ id, aliases: [...aliases], digest, files: [...files] })),
  };
  return `${JSON.stringify(index)}\n`;
}

/**
 * The models of a published directory, each held against every rule; whoever can write there is not trusted.
 * @throws ShoalError `invalid`
 */
export function parsePublishedIndex(bytes: Uint8Array): Model[] {
  if (bytes.length > INDEX_MAX_BYTES) throw new ShoalError('invalid', `an index of ${bytes.length} bytes is too large`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ShoalError('invalid', 'the index is not JSON', { cause: error });
  }
  if (!compiled.Check(value)) {
    const [first] = compiled.Errors(value);
    const where = first === undefined ? '' : `: ${first.instancePath} ${first.message}`;
    throw new ShoalError('invalid', `the index does not have the form of version ${INDEX_VERSION}${where}`, {
      remedy: 'Run "shoal publish" there again with this version of shoal.',
    });
  }
  return value.models.map((model) => validateModel(model));
}
