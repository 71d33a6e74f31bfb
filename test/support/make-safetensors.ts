import { type MadeFile, writeRandomFile } from './random-body.ts';

export type SafetensorsFamily = 'sd15' | 'sdxl' | 'flux' | 'lora';

interface TensorEntry {
  readonly dtype: 'F16' | 'F32' | 'BF16' | 'U8';
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/**
 * The tensors that tell a family apart, with their true names and shapes. A real checkpoint has a thousand more; one
 * more that takes all the rest stands for them.
 */
const LANDMARKS: Readonly<Record<SafetensorsFamily, readonly (readonly [name: string, shape: readonly number[]])[]>> = {
  sd15: [
    ['cond_stage_model.transformer.text_model.embeddings.position_embedding.weight', [77, 768]],
    ['first_stage_model.decoder.conv_in.weight', [512, 4, 3, 3]],
    ['model.diffusion_model.input_blocks.0.0.weight', [320, 4, 3, 3]],
    ['model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight', [320, 768]],
  ],
  sdxl: [
    ['conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight', [77, 768]],
    ['conditioner.embedders.1.model.positional_embedding', [77, 1280]],
    ['first_stage_model.decoder.conv_in.weight', [512, 4, 3, 3]],
    ['model.diffusion_model.input_blocks.0.0.weight', [320, 4, 3, 3]],
    ['model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight', [640, 2048]],
    ['model.diffusion_model.label_emb.0.0.bias', [1280]],
  ],
  flux: [
    ['double_blocks.0.img_attn.norm.key_norm.scale', [128]],
    ['double_blocks.0.img_attn.proj.bias', [3072]],
    ['img_in.weight', [3072, 64]],
    ['single_blocks.0.norm.key_norm.scale', [128]],
  ],
  lora: [
    ['lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.alpha', [1]],
    ['lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight', [16, 768]],
    ['lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight', [320, 16]],
  ],
};

const BULK: Readonly<Record<SafetensorsFamily, string>> = {
  sd15: 'model.diffusion_model.output_blocks.0.0.in_layers.2.weight',
  sdxl: 'model.diffusion_model.output_blocks.0.0.in_layers.2.weight',
  flux: 'double_blocks.0.img_mlp.0.weight',
  lora: 'lora_unet_mid_block_attentions_0_proj_in.lora_up.weight',
};

/**
 * The head of a safetensors file whose whole length is exactly `sizeBytes`: u64 LE length, then JSON padded with spaces
 * to a multiple of eight. Throws when the size is odd or too small for the family.
 */
export function safetensorsHeader(options: {
  family: SafetensorsFamily;
  sizeBytes: number;
  metadata?: Readonly<Record<string, string>>;
}): Uint8Array {
  const { family, sizeBytes, metadata } = options;
  const header: Record<string, TensorEntry | Readonly<Record<string, string>>> = {
    __metadata__: { format: 'pt', ...metadata },
  };
  let at = 0;
  for (const [name, shape] of LANDMARKS[family]) {
    const end = at + 2 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: 'F16', shape, data_offsets: [at, end] };
    at = end;
  }
  // The bulk's numbers are as long as the file is: reserve room for them, then say them.
  const reserve = JSON.stringify({ ...header, [BULK[family]]: bulk(sizeBytes, 2 * sizeBytes) }).length;
  const jsonBytes = Math.ceil((8 + reserve) / 8) * 8;
  const dataBytes = sizeBytes - 8 - jsonBytes;
  if (dataBytes <= at || (dataBytes - at) % 2 !== 0) throw new Error(`${sizeBytes} bytes do not make a ${family} file`);
  header[BULK[family]] = bulk(at, dataBytes);
  const json = new TextEncoder().encode(JSON.stringify(header).padEnd(jsonBytes, ' '));
  const out = new Uint8Array(8 + jsonBytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(jsonBytes), true);
  out.set(json, 8);
  return out;
}

function bulk(start: number, end: number): TensorEntry {
  return { dtype: 'F16', shape: [(end - start) / 2], data_offsets: [start, end] };
}

/** A checkpoint (or LoRA) with a true header and seeded weights; the same seed and size give the same sha256. */
export async function makeSafetensors(
  file: string,
  options: {
    seed: string;
    sizeBytes: number;
    family?: SafetensorsFamily;
    metadata?: Readonly<Record<string, string>>;
  },
): Promise<MadeFile> {
  const { seed, sizeBytes, family = 'sdxl', metadata = {} } = options;
  const header = safetensorsHeader({ family, sizeBytes, metadata });
  return await writeRandomFile(file, { header, bodyBytes: sizeBytes - header.length, seed });
}

/** Small, as LoRAs are; `ss_base_model_version` is what trainers write. */
export async function makeLora(file: string, options: { seed: string; sizeBytes?: number }): Promise<MadeFile> {
  const { seed, sizeBytes = 1 << 20 } = options;
  const metadata = { ss_base_model_version: 'sd_v1', ss_network_module: 'networks.lora', ss_network_dim: '16' };
  return await makeSafetensors(file, { seed, sizeBytes, family: 'lora', metadata });
}
