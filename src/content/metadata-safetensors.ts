import { ShoalError } from '../util/errors.ts';
import { familyOfTensor, familyOfText } from './diffusion-family.ts';
import { JsonScanner } from './json-scanner.ts';
import { describe, displayText, type ModelMetadata } from './metadata.ts';

// Layout: u64 LE length N, N bytes of JSON `{name: {dtype, shape, data_offsets: [begin, end]}, __metadata__?}`, tensors.
// https://github.com/huggingface/safetensors#format, which also sets the limit on N.
const HEADER_MAX_BYTES = 100_000_000;
const NAME_MAX_BYTES = 1024;
const DIMENSIONS_MAX = 16;
/** The keys of `__metadata__` that are worth a look: Stability's model specification, and what kohya's trainers write. */
const WANTED = new Set([
  'modelspec.architecture',
  'modelspec.title',
  'ss_base_model_version',
  'ss_output_name',
  'ss_network_module',
]);

interface Tensor {
  dtype: string | undefined;
  elements: number;
  lastDimension: number | undefined;
  end: number | undefined;
}

/** What the scan adds up: sums, and the few texts that are kept. */
interface Totals {
  readonly texts: Map<string, string>;
  readonly byType: Map<string, number>;
  parameters: number;
  end: number;
  family: string | undefined;
}

/** Bytes of a safetensors header with its length: what to read before the functions below say anything. */
export function safetensorsHeaderBytes(bytes: Uint8Array): number | 'need-more' {
  if (bytes.length < 8) return 'need-more';
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length < 2n || length > BigInt(HEADER_MAX_BYTES)) throw invalid(`claims ${length} bytes`);
  // Tells a random file from a truncated one before anyone reads 100 MB of it.
  if (bytes.length > 8 && bytes[8] !== 0x7b) throw invalid('is no JSON object');
  return 8 + Number(length);
}

/**
 * What the header says; `need-more` when it goes on past `bytes`.
 * @throws ShoalError `invalid` when it is no safetensors header
 */
export function parseSafetensorsHeader(bytes: Uint8Array): ModelMetadata | 'need-more' {
  const totals = scan(bytes);
  if (totals === 'need-more') return totals;
  const { texts, byType, parameters, family } = totals;
  const architecture = texts.get('modelspec.architecture') ?? texts.get('ss_base_model_version');
  const largest = [...byType].reduce<readonly [string, number]>(
    (best, next) => (next[1] > best[1] ? next : best),
    ['', 0],
  );
  return describe({
    format: 'safetensors',
    architecture,
    family: family ?? (architecture === undefined ? undefined : familyOfText(architecture)),
    parameters: Number.isSafeInteger(parameters) && parameters > 0 ? parameters : undefined,
    quantisation: displayText(largest[0]),
    contextLength: undefined,
    name: texts.get('modelspec.title') ?? texts.get('ss_output_name'),
  });
}

/**
 * The length that a file with this (whole) header must have: a cheap check for truncation.
 * @throws ShoalError `invalid` when it is no safetensors header or not the whole of it
 */
export function safetensorsExpectedSize(bytes: Uint8Array): number {
  const header = safetensorsHeaderBytes(bytes);
  const totals = scan(bytes);
  if (header === 'need-more' || totals === 'need-more') throw invalid('is not complete');
  const sizeBytes = header + totals.end;
  if (!Number.isSafeInteger(sizeBytes)) throw invalid('claims more bytes than any disk has');
  return sizeBytes;
}

function scan(bytes: Uint8Array): Totals | 'need-more' {
  const header = safetensorsHeaderBytes(bytes);
  if (header === 'need-more' || bytes.length < header) return 'need-more';
  const json = new JsonScanner(bytes, 8, header);
  const totals: Totals = { texts: new Map(), byType: new Map(), parameters: 0, end: 0, family: undefined };
  json.object((name) => {
    if (name === '__metadata__') readTexts(json, totals.texts);
    else addTensor(totals, name, readTensor(json));
  }, NAME_MAX_BYTES);
  json.finish();
  return totals;
}

function readTexts(json: JsonScanner, texts: Map<string, string>): void {
  json.object((key) => {
    if (key === undefined || !WANTED.has(key) || json.peek() !== '"') {
      json.skip();
      return;
    }
    const text = displayText(json.string(NAME_MAX_BYTES));
    if (text !== undefined) texts.set(key, text);
  }, NAME_MAX_BYTES);
}

function readTensor(json: JsonScanner): Tensor {
  const tensor: Tensor = { dtype: undefined, elements: 1, lastDimension: undefined, end: undefined };
  json.object((key) => {
    if (key === 'dtype') tensor.dtype = json.string(16);
    else if (key === 'shape') {
      for (const dimension of readCounts(json, DIMENSIONS_MAX)) {
        tensor.elements *= dimension;
        tensor.lastDimension = dimension;
      }
    } else if (key === 'data_offsets') {
      const [begin, end] = readCounts(json, 2);
      if (begin === undefined || end === undefined || end < begin) throw invalid('has a tensor without a place');
      tensor.end = end;
    } else json.skip();
  }, NAME_MAX_BYTES);
  return tensor;
}

function readCounts(json: JsonScanner, max: number): number[] {
  const counts: number[] = [];
  json.array(() => {
    if (counts.length === max) throw invalid(`has a list of more than ${max} numbers`);
    counts.push(json.count());
  });
  return counts;
}

function addTensor(totals: Totals, name: string | undefined, tensor: Tensor): void {
  if (tensor.end === undefined) throw invalid('has a tensor without a place');
  totals.end = Math.max(totals.end, tensor.end);
  totals.parameters += tensor.elements;
  totals.family ??= name === undefined ? undefined : familyOfTensor(name, tensor.lastDimension);
  const { dtype } = tensor;
  if (dtype !== undefined && /^[A-Z0-9_]+$/.test(dtype) && (totals.byType.size < 64 || totals.byType.has(dtype))) {
    totals.byType.set(dtype, (totals.byType.get(dtype) ?? 0) + tensor.elements);
  }
}

function invalid(problem: string): ShoalError {
  return new ShoalError('invalid', `the safetensors header ${problem}`);
}
