/** What a model's header says of it. For display and profiles only: nothing here is ever trusted. */
export interface ModelMetadata {
  readonly format: 'gguf' | 'safetensors';
  readonly architecture?: string;
  /** Base family of a diffusion model: `sd15`, `sdxl`, `flux` … */
  readonly family?: string;
  readonly parameters?: number;
  readonly quantisation?: string;
  readonly contextLength?: number;
  readonly name?: string;
}
