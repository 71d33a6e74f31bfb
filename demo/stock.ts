import { join } from 'node:path';
import { makeDiffusersDirectory } from '../test/support/make-directory-model.ts';
import { makeGguf } from '../test/support/make-gguf.ts';
import { makeLora, makeSafetensors } from '../test/support/make-safetensors.ts';
import type { MadeFile } from '../test/support/random-body.ts';

const MIB = 1 << 20;

export interface StockedModel {
  readonly id: string;
  /** Column of the dashboard. */
  readonly column: 'checkpoint' | 'gguf' | 'pipeline' | 'loras';
  /** By path relative to the models directory. */
  readonly files: ReadonlyMap<string, MadeFile>;
  readonly sizeBytes: number;
}

/** What a small studio has on its NAS: true headers, seeded weights. */
export async function stockNas(directory: string): Promise<StockedModel[]> {
  const at = (path: string): string => join(directory, path);
  const model = (id: string, column: StockedModel['column'], made: readonly MadeFile[]): StockedModel => ({
    id,
    column,
    files: new Map(made.map((file) => [file.file.slice(directory.length + 1), file])),
    sizeBytes: made.reduce((sum, file) => sum + file.sizeBytes, 0),
  });
  const checkpoint = 'checkpoints/sdxl/shoal-xl.safetensors';
  const gguf = 'llm/shoal-llama-Q8_0.gguf';
  const pipeline = 'diffusers/shoal-pipeline';
  const metadata = { 'modelspec.title': 'Shoal XL', 'modelspec.architecture': 'stable-diffusion-xl-v1-base' };
  const stock = [
    model(checkpoint, 'checkpoint', [
      await makeSafetensors(at(checkpoint), { seed: 'xl', sizeBytes: 192 * MIB, family: 'sdxl', metadata }),
    ]),
    model(gguf, 'gguf', [await makeGguf(at(gguf), { seed: 'llama', sizeBytes: 96 * MIB })]),
    model(pipeline, 'pipeline', await makeDiffusersDirectory(at(pipeline), { seed: 'pipe', sizeBytes: 24 * MIB })),
  ];
  for (let n = 1; n <= 12; n += 1) {
    const id = `loras/style-${String(n).padStart(2, '0')}.safetensors`;
    stock.push(model(id, 'loras', [await makeLora(at(id), { seed: `lora ${n}`, sizeBytes: (1 + (n % 3)) * MIB })]));
  }
  return stock;
}
