import { join } from 'node:path';
import { type MadeFile, writeRandomFile } from './random-body.ts';

const ALIGNMENT = 32;
const EMBEDDING = 1024;
/** GGML type 8, Q8_0: 32 weights in 34 bytes. */
const Q8_0 = { type: 8, rowBytes: (EMBEDDING / 32) * 34 };
const F32 = { type: 0, rowBytes: EMBEDDING * 4 };

type KeyValue = readonly [key: string, value: string | number | readonly string[]];

/** Little-endian writer for the few types that a model's head needs. */
class GgufWriter {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  u32(value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return this.raw(bytes);
  }

  u64(value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    return this.raw(bytes);
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.u64(bytes.length).raw(bytes);
  }

  pair([key, value]: KeyValue): this {
    this.text(key);
    if (typeof value === 'string') return this.u32(8).text(value);
    if (typeof value === 'number') return this.u32(4).u32(value);
    this.u32(9).u32(8).u64(value.length);
    for (const item of value) this.text(item);
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  finish(): Uint8Array {
    return Buffer.concat([...this.#parts, new Uint8Array(-this.length & (ALIGNMENT - 1))]);
  }
}

export interface GgufOptions {
  readonly seed: string;
  /** The file comes within one row (1088 bytes) under it. */
  readonly sizeBytes: number;
  readonly name?: string;
  readonly shard?: { readonly index: number; readonly count: number };
}

/** Version 3 head: key-value pairs of a small Llama, tensor table with true offsets, padding. */
export function ggufHeader(options: GgufOptions): { header: Uint8Array; bodyBytes: number } {
  const { name = 'Shoal Test Llama', shard, sizeBytes } = options;
  const pairs: KeyValue[] = [
    ['general.architecture', 'llama'],
    ['general.name', name],
    ['general.size_label', '0.3B'],
    ['general.file_type', 7],
    ['general.alignment', ALIGNMENT],
    ['llama.context_length', 8192],
    ['llama.embedding_length', EMBEDDING],
    ['llama.block_count', 1],
    ['llama.attention.head_count', 16],
    ['tokenizer.ggml.model', 'llama'],
    [
      'tokenizer.ggml.tokens',
      ['<unk>', '<s>', '</s>', ...Array.from({ length: 253 }, (_, i) => `<0x${i.toString(16)}>`)],
    ],
    ...(shard === undefined
      ? []
      : ([
          ['split.no', shard.index],
          ['split.count', shard.count],
        ] as const)),
  ];
  const prefix = shard === undefined ? 'blk.0' : `blk.${shard.index}`;
  const assemble = (rows: number): { header: Uint8Array; bodyBytes: number } => {
    const tensors = [
      { name: `${prefix}.attn_norm.weight`, dims: [EMBEDDING], type: F32.type, bytes: F32.rowBytes },
      { name: `${prefix}.attn_q.weight`, dims: [EMBEDDING, 64], type: Q8_0.type, bytes: Q8_0.rowBytes * 64 },
      {
        name: shard === undefined ? 'token_embd.weight' : `${prefix}.ffn_up.weight`,
        dims: [EMBEDDING, rows],
        type: Q8_0.type,
        bytes: Q8_0.rowBytes * rows,
      },
    ];
    const writer = new GgufWriter().raw(new TextEncoder().encode('GGUF')).u32(3).u64(tensors.length).u64(pairs.length);
    for (const pair of pairs) writer.pair(pair);
    let offset = 0;
    for (const tensor of tensors) {
      writer.text(tensor.name).u32(tensor.dims.length);
      for (const dim of tensor.dims) writer.u64(dim);
      writer.u32(tensor.type).u64(offset);
      offset += Math.ceil(tensor.bytes / ALIGNMENT) * ALIGNMENT;
    }
    return { header: writer.finish(), bodyBytes: offset };
  };
  const empty = assemble(0);
  const rows = Math.floor((sizeBytes - empty.header.length - empty.bodyBytes) / Q8_0.rowBytes);
  if (rows < 1) throw new Error(`${sizeBytes} bytes do not make a GGUF file`);
  return assemble(rows);
}

export async function makeGguf(file: string, options: GgufOptions): Promise<MadeFile> {
  return await writeRandomFile(file, { ...ggufHeader(options), seed: options.seed });
}

/** `<dir>/<base>-00001-of-0000N.gguf` and so on; `sizeBytes` is that of each. */
export async function makeGgufShards(
  dir: string,
  base: string,
  options: { seed: string; sizeBytes: number; count: number },
): Promise<MadeFile[]> {
  const five = (n: number): string => String(n).padStart(5, '0');
  const shards: MadeFile[] = [];
  for (let index = 0; index < options.count; index += 1) {
    const file = join(dir, `${base}-${five(index + 1)}-of-${five(options.count)}.gguf`);
    const shard = { index, count: options.count };
    shards.push(await makeGguf(file, { seed: `${options.seed}/${index}`, sizeBytes: options.sizeBytes, shard }));
  }
  return shards;
}
