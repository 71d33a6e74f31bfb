import type { ModelMetadata } from '../content/metadata.ts';
import { parseGgufHeader } from '../content/metadata-gguf.ts';
import { parseSafetensorsHeader, safetensorsExpectedSize } from '../content/metadata-safetensors.ts';
import { ShoalError } from '../util/errors.ts';

/** What a model file says of itself in its first bytes; a header that makes no sense is none. */
export function describeHeader(
  path: string,
  header: Uint8Array,
  sizeBytes: number,
): { metadata?: ModelMetadata; truncated: boolean } {
  const name = path.toLowerCase();
  try {
    if (name.endsWith('.gguf')) {
      const metadata = parseGgufHeader(header);
      return metadata === 'need-more' ? { truncated: header.length === sizeBytes } : { metadata, truncated: false };
    }
    if (name.endsWith('.safetensors') || name.endsWith('.sft')) {
      const metadata = parseSafetensorsHeader(header);
      if (metadata === 'need-more') return { truncated: header.length === sizeBytes };
      return { metadata, truncated: safetensorsExpectedSize(header) !== sizeBytes };
    }
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error;
  }
  return { truncated: false };
}
