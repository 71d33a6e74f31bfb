import { readFile } from 'node:fs/promises';
import Type from 'typebox';
import { Value } from 'typebox/value';
import { parse, YAMLParseError } from 'yaml';
import { errnoOf, messageOf, ShoalError } from '../util/errors.ts';
import { suggest } from '../util/suggest.ts';
import { settings } from './settings.ts';

const Scalar = Type.Union([Type.String(), Type.Number()]);
const ListOfText = Type.Union([Type.String(), Type.Array(Type.String())]);

export const PoolSchema = Type.Object(
  {
    id: Type.String({ minLength: 1, maxLength: 256 }),
    engine: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    slots: Type.Optional(Type.Integer({ minimum: 0, maximum: 4_294_967_295 })),
    vram: Type.Optional(Scalar),
  },
  { additionalProperties: false },
);

export const PoolManagerSchema = Type.Object(
  {
    url: Type.String(),
    status: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    'token-file': Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

export const GpuSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256 }),
    vram: Type.Optional(Scalar),
    'compute-capability': Type.Optional(Scalar),
  },
  { additionalProperties: false },
);

export const OrchestratorSchema = Type.Object(
  { url: Type.String(), 'token-file': Type.Optional(Type.String()) },
  { additionalProperties: false },
);

/** How a value must look in the file, and how to say so. */
const shapes = {
  one: { schema: Scalar, wanted: 'one text or number' },
  many: { schema: ListOfText, wanted: 'a text or a list of texts' },
  switch: { schema: Type.Boolean(), wanted: 'true or false' },
} as const;

const special = {
  orchestrator: {
    schema: Type.Union([Type.String(), Type.Array(Type.Union([Type.String(), OrchestratorSchema]))]),
    wanted: 'a list of URLs or of {url, token-file}',
  },
  pools: {
    schema: Type.Array(PoolSchema),
    wanted: 'a list of {id, engine, slots, vram}, with slots as a whole number',
  },
  'pool-manager': {
    schema: Type.Union([Type.String(), PoolManagerSchema]),
    wanted: 'a URL or {url, status, token-file}',
  },
  gpus: { schema: Type.Array(GpuSchema), wanted: 'a list of {name, vram, compute-capability}' },
} as const;

const known: readonly string[] = [...settings.map((setting) => setting.key), 'no-mdns'];

/**
 * The settings of a YAML file, by key; every key is known and every value has the right shape.
 * @throws ShoalError `invalid`
 */
export async function readSettingsFile(path: string): Promise<Record<string, unknown>> {
  const document = parseYaml(path, await readText(path));
  if (document === null || document === undefined) return {};
  if (typeof document !== 'object' || Array.isArray(document)) {
    throw new ShoalError('invalid', `${path} is not a list of "key: value" lines`, {
      remedy: 'Start with a line like "models: /srv/models"; "shoal daemon --help" names the keys.',
    });
  }
  // "key:" without a value is as good as left out.
  const given = Object.entries(document).filter(([, value]) => value !== null);
  for (const [key, value] of given) checkShape(path, key, value);
  return Object.fromEntries(given);
}

function checkShape(path: string, key: string, value: unknown): void {
  const setting = settings.find((candidate) => candidate.key === (key === 'no-mdns' ? 'mdns' : key));
  if (setting === undefined) {
    const meant = suggest(key, known);
    throw new ShoalError('invalid', `${path}: "${key}" is no setting (its value is ${JSON.stringify(value)})`, {
      remedy: meant === undefined ? 'See "shoal daemon --help" for the settings.' : `Did you mean "${meant}"?`,
    });
  }
  const shape =
    setting.key in special
      ? special[setting.key as keyof typeof special]
      : shapes[setting.shape as keyof typeof shapes];
  if (Value.Check(shape.schema, value)) return;
  throw new ShoalError('invalid', `${path}: ${key} is ${JSON.stringify(value)}`, {
    remedy: `Write ${shape.wanted}.`,
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ShoalError('invalid', `cannot read the settings in ${path} (${errnoOf(error) ?? messageOf(error)})`, {
      cause: error,
      remedy: 'Check the path given with --config or SHOAL_CONFIG and its permissions.',
    });
  }
}

function parseYaml(path: string, text: string): unknown {
  try {
    // Bounded aliases: a file of a few lines cannot unfold to gigabytes.
    return parse(text, { maxAliasCount: 100, prettyErrors: true });
  } catch (error) {
    const first = messageOf(error).split('\n', 1)[0] ?? '';
    throw new ShoalError('invalid', `${path} is not YAML: ${first.replace(/:$/, '')}`, {
      cause: error,
      remedy: error instanceof YAMLParseError ? 'Mend that line.' : 'Write "key: value" lines.',
    });
  }
}
