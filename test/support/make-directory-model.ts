import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeSafetensors } from './make-safetensors.ts';
import type { MadeFile } from './random-body.ts';

/** A file of known text, with its digest. */
export async function makeText(file: string, text: string): Promise<MadeFile> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  const bytes = Buffer.from(text);
  return { file, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** A Hugging Face style directory in the shape of a diffusers pipeline; most of `sizeBytes` goes to the UNet. */
export async function makeDiffusersDirectory(
  dir: string,
  options: { seed: string; sizeBytes: number },
): Promise<MadeFile[]> {
  const { seed, sizeBytes } = options;
  const index = {
    _class_name: 'StableDiffusionPipeline',
    _diffusers_version: '0.30.0',
    scheduler: ['diffusers', 'PNDMScheduler'],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', 'AutoencoderKL'],
  };
  const vaeBytes = 2 * Math.floor(Math.max(1 << 20, sizeBytes / 10) / 2);
  const weights = 'diffusion_pytorch_model.safetensors';
  return [
    await makeText(join(dir, 'model_index.json'), `${JSON.stringify(index, null, 2)}\n`),
    await makeText(join(dir, 'scheduler/scheduler_config.json'), '{\n  "_class_name": "PNDMScheduler"\n}\n'),
    await makeText(
      join(dir, 'unet/config.json'),
      `{\n  "_class_name": "UNet2DConditionModel", "seed": ${JSON.stringify(seed)}\n}\n`,
    ),
    await makeSafetensors(join(dir, 'unet', weights), {
      seed: `${seed}/unet`,
      sizeBytes: 2 * Math.floor(sizeBytes / 2),
      family: 'sd15',
    }),
    await makeText(join(dir, 'vae/config.json'), '{\n  "_class_name": "AutoencoderKL"\n}\n'),
    await makeSafetensors(join(dir, 'vae', weights), { seed: `${seed}/vae`, sizeBytes: vaeBytes, family: 'lora' }),
  ];
}
