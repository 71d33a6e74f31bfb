/** Architecture names of GGUF files with diffusion models, as their converters write them. */
export const FAMILY_OF_ARCHITECTURE: ReadonlyMap<string, string> = new Map([
  ['sd1', 'sd15'],
  ['sdxl', 'sdxl'],
  ['sd3', 'sd3'],
  ['flux', 'flux'],
]);

/** Tensors that only one family has, by part of their names; checkpoints, diffusers and LoRA spellings. */
const LANDMARKS: readonly (readonly [part: string, family: string])[] = [
  ['conditioner.embedders.1.', 'sdxl'],
  ['lora_te2_', 'sdxl'],
  ['double_blocks.0.img_attn.norm.key_norm.', 'flux'],
  ['lora_unet_double_blocks_', 'flux'],
  ['single_transformer_blocks.', 'flux'],
  ['joint_blocks.0.', 'sd3'],
];

/** The width of the text that a UNet attends to. */
const CONTEXT_WIDTHS: ReadonlyMap<number, string> = new Map([
  [768, 'sd15'],
  [1024, 'sd2'],
  [1280, 'sdxl-refiner'],
  [2048, 'sdxl'],
]);
const CROSS_ATTENTION = /attn2[._]to_k\.(?:weight|lora_down\.weight|lora_A\.weight|lora\.down\.weight)$/;
const UNET = /input_blocks|middle_block|down_blocks|mid_block|lora_unet_/;

/** What trainers and Stability's model specification write into `__metadata__`. */
const SPELLINGS: readonly (readonly [pattern: RegExp, family: string])[] = [
  [/refiner/i, 'sdxl-refiner'],
  [/sdxl|stable-diffusion-xl|(?:^|_)xl(?:$|_)/i, 'sdxl'],
  [/^sd3|stable-diffusion-v?3/i, 'sd3'],
  [/flux/i, 'flux'],
  [/^sd_v2|stable-diffusion-v2/i, 'sd2'],
  [/^sd_v1|^sd_1|stable-diffusion-v1/i, 'sd15'],
];

/** The family that one tensor gives away, if it does. */
export function familyOfTensor(name: string, lastDimension: number | undefined): string | undefined {
  for (const [part, family] of LANDMARKS) if (name.includes(part)) return family;
  if (lastDimension === undefined || !CROSS_ATTENTION.test(name) || !UNET.test(name)) return undefined;
  return CONTEXT_WIDTHS.get(lastDimension);
}

/** The family that a free text such as `stable-diffusion-xl-v1-base/lora` or `sd_v1` means. */
export function familyOfText(text: string): string | undefined {
  return SPELLINGS.find(([pattern]) => pattern.test(text))?.[1];
}
