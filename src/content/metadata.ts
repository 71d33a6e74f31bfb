/** What a model's header says of it. For display and profiles only: nothing here is ever trusted. */
export interface ModelMetadata {
  readonly format: 'gguf' | 'safetensors';
  readonly architecture?: string;
  /** Base family of a diffusion model: `sd15`, `sd2`, `sdxl`, `sdxl-refiner`, `sd3`, `flux`. */
  readonly family?: string;
  readonly parameters?: number;
  /** As the format writes it: `Q4_K_M`, `F16`, `BF16`, `F8_E4M3`. */
  readonly quantisation?: string;
  readonly contextLength?: number;
  readonly name?: string;
}

const TEXT_MAX_CHARS = 256;

/** What of `value` is metadata; the rest is dropped, since nothing depends on it. */
export function validateMetadata(value: unknown): ModelMetadata | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, architecture, family, parameters, quantisation, contextLength, name } = value as Record<
    string,
    unknown
  >;
  if (format !== 'gguf' && format !== 'safetensors') return undefined;
  return describe({
    format,
    architecture: displayText(architecture),
    family: displayText(family),
    parameters: count(parameters),
    quantisation: displayText(quantisation),
    contextLength: count(contextLength),
    name: displayText(name),
  });
}

/** Several files of one model (shards, a directory): the first that says something, and the parameters of all. */
export function mergeMetadata(parts: readonly ModelMetadata[]): ModelMetadata | undefined {
  const [first] = parts;
  if (first === undefined || parts.length === 1) return first;
  const known = parts.map((part) => part.parameters).filter((parameters) => parameters !== undefined);
  return describe({
    format: first.format,
    architecture: firstOf(parts, 'architecture'),
    family: firstOf(parts, 'family'),
    parameters: known.length === 0 ? undefined : count(known.reduce((sum, parameters) => sum + parameters, 0)),
    quantisation: firstOf(parts, 'quantisation'),
    contextLength: firstOf(parts, 'contextLength'),
    name: firstOf(parts, 'name'),
  });
}

/** Without the fields that are not known. */
export function describe(
  fields: {
    readonly [K in keyof Required<ModelMetadata>]: ModelMetadata[K] | undefined;
  },
): ModelMetadata {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as unknown as ModelMetadata;
}

/** Fit for a line on a screen, or undefined: no control characters, at most 256 characters, not empty. */
export function displayText(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value
    .slice(0, TEXT_MAX_CHARS)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ')
    .trim();
  return text === '' ? undefined : text;
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function firstOf<K extends keyof ModelMetadata>(parts: readonly ModelMetadata[], key: K): ModelMetadata[K] | undefined {
  return parts.find((part) => part[key] !== undefined)?.[key];
}
