import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  parseSafetensorsHeader,
  safetensorsExpectedSize,
  safetensorsHeaderBytes,
} from '../../src/content/metadata-safetensors.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { safetensorsHeader } from '../support/make-safetensors.ts';

const isInvalid = (error: unknown): boolean => error instanceof ShoalError && error.code === 'invalid';

function framed(json: string, claimed?: bigint): Buffer {
  const body = Buffer.from(json);
  return Buffer.concat([Buffer.from(BigUint64Array.of(claimed ?? BigInt(body.length)).buffer), body]);
}

function headerOf(tensors: Record<string, unknown>): Buffer {
  return framed(JSON.stringify(tensors));
}

function tensor(shape: readonly number[], dtype = 'F16', end = 0): unknown {
  return { dtype, shape, data_offsets: [0, end] };
}

function tryAll(bytes: Uint8Array): void {
  for (const parse of [safetensorsHeaderBytes, parseSafetensorsHeader, safetensorsExpectedSize]) {
    try {
      parse(bytes);
    } catch (error) {
      assert.ok(isInvalid(error), String(error));
    }
  }
}

test('checkpoints of every family are told apart by their tensors, and their length is known', () => {
  const expected = { sd15: 'sd15', sdxl: 'sdxl', flux: 'flux', lora: 'sd15' } as const;
  for (const family of ['sd15', 'sdxl', 'flux', 'lora'] as const) {
    const sizeBytes = 20_000_000;
    const header = safetensorsHeader({ family, sizeBytes, metadata: { 'modelspec.title': 'A Title' } });
    const parsed = parseSafetensorsHeader(header);
    assert.ok(parsed !== 'need-more');
    assert.equal(parsed.family, expected[family]);
    assert.equal(parsed.quantisation, 'F16');
    assert.equal(parsed.name, 'A Title');
    assert.equal(parsed.parameters, (sizeBytes - header.length) / 2);
    assert.equal(safetensorsHeaderBytes(header), header.length);
    assert.equal(safetensorsExpectedSize(header), sizeBytes);
  }
});

test('a family is found in the names of diffusers, of LoRA trainers and in the metadata', () => {
  const families: readonly (readonly [tensors: Record<string, unknown>, family: string | undefined])[] = [
    [{ 'down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight': tensor([640, 2048]) }, 'sdxl'],
    [{ 'down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight': tensor([640, 1024]) }, 'sd2'],
    [
      { 'lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight': tensor([8, 2048]) },
      'sdxl',
    ],
    [{ 'lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha': tensor([]) }, 'sdxl'],
    [{ 'lora_unet_double_blocks_0_img_attn_proj.lora_down.weight': tensor([16, 3072]) }, 'flux'],
    [{ 'transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight': tensor([16, 3072]) }, 'flux'],
    [{ 'model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight': tensor([4608, 1536]) }, 'sd3'],
    [{ 'model.layers.0.self_attn.k_proj.weight': tensor([1024, 4096]) }, undefined],
    [{ 'decoder.attn2.to_k.weight': tensor([5, 768]) }, undefined],
    [{ __metadata__: { ss_base_model_version: 'sdxl_base_v1-0' }, x: tensor([1]) }, 'sdxl'],
    [{ __metadata__: { ss_base_model_version: 'sd_v1' }, x: tensor([1]) }, 'sd15'],
    [{ __metadata__: { 'modelspec.architecture': 'stable-diffusion-xl-v1-refiner' }, x: tensor([1]) }, 'sdxl-refiner'],
    [{ __metadata__: { 'modelspec.architecture': 'Flux.1-dev/lora' }, x: tensor([1]) }, 'flux'],
  ];
  for (const [tensors, family] of families) {
    const parsed = parseSafetensorsHeader(headerOf(tensors));
    assert.equal(parsed === 'need-more' ? parsed : parsed.family, family, Object.keys(tensors)[0]);
  }
});

test('the type with the most parameters stands for all', () => {
  const parsed = parseSafetensorsHeader(headerOf({ a: tensor([10]), b: tensor([4, 5], 'BF16'), c: tensor([], 'U8') }));
  assert.deepEqual(parsed, { format: 'safetensors', parameters: 31, quantisation: 'BF16' });
});

test('the expected length is the end of the last tensor, wherever that stands in the header', () => {
  const header = headerOf({ a: tensor([1], 'F16', 500), b: tensor([1], 'F16', 70) });
  assert.equal(safetensorsExpectedSize(header), header.length + 500);
  assert.equal(safetensorsExpectedSize(framed('{}  ')), 12);
});

test('a header that goes on past its bytes needs more, wherever it is cut', () => {
  const header = safetensorsHeader({ family: 'sdxl', sizeBytes: 1 << 22 });
  for (let cut = 0; cut < header.length; cut += 1) {
    assert.equal(parseSafetensorsHeader(header.subarray(0, cut)), 'need-more', `${cut} bytes`);
  }
  assert.throws(() => safetensorsExpectedSize(header.subarray(0, -1)), isInvalid);
  // What follows the header is not looked at.
  const longer = Buffer.concat([header, Buffer.alloc(100, '"')]);
  assert.deepEqual(parseSafetensorsHeader(longer), parseSafetensorsHeader(header));
});

test('what is no safetensors header is refused', () => {
  const place = '"data_offsets":[0,1]';
  const bad: Record<string, Buffer> = {
    'a length past the limit': framed('{}', 100_000_001n),
    'a length of nothing': framed('{}', 0n),
    'the largest length': framed('{}', 2n ** 64n - 1n),
    'other bytes after the length': framed('[]'),
    'text after the object': framed('{} x'),
    'an object that does not end': framed('{"a":{"dtype":"F16"'),
    'a tensor without a place': framed('{"a":{"dtype":"F16","shape":[1]}}'),
    'a tensor that is a number': framed('{"a":1}'),
    'a place that runs backwards': framed('{"a":{"data_offsets":[5,4]}}'),
    'a place with one end': framed('{"a":{"data_offsets":[5]}}'),
    'a place with three ends': framed('{"a":{"data_offsets":[5,6,7]}}'),
    'a negative place': framed('{"a":{"data_offsets":[-5,6]}}'),
    'a place past all numbers': framed('{"a":{"data_offsets":[0,99999999999999999999]}}'),
    'a shape with a fraction': framed(`{"a":{${place},"shape":[1.5]}}`),
    'a shape of a thousand dimensions': framed(`{"a":{${place},"shape":[${'1,'.repeat(999)}1]}}`),
    'metadata that is text': framed('{"__metadata__":"x"}'),
  };
  for (const [what, bytes] of Object.entries(bad)) assert.throws(() => parseSafetensorsHeader(bytes), isInvalid, what);
});

test('a claimed length costs nothing, and neither does a header made to be large in memory', () => {
  const before = process.memoryUsage();
  assert.equal(parseSafetensorsHeader(framed('{', 99_999_999n)), 'need-more');
  assert.throws(() => parseSafetensorsHeader(framed(`{"a":${'['.repeat(4_000_000)}`)), isInvalid);
  assert.throws(() => parseSafetensorsHeader(framed(`{"a":{"x":[${'[],'.repeat(1_000_000)}`)), isInvalid);
  assert.throws(() => parseSafetensorsHeader(framed(`{"__metadata__":{${'"a":"b",'.repeat(500_000)}`)), isInvalid);
  const after = process.memoryUsage();
  // The test's own buffers are some 15 MB.
  assert.ok(after.arrayBuffers - before.arrayBuffers < 64 * 1024 * 1024);
});

test('names and numbers past all reason are left out, not shown', () => {
  const parsed = parseSafetensorsHeader(
    headerOf({
      __metadata__: {
        'modelspec.title': `\u001b[2J${'x'.repeat(900)}`,
        ss_output_name: 7,
        'modelspec.architecture': 'y'.repeat(5000),
      },
      ['n'.repeat(100_000)]: tensor([2 ** 50, 2 ** 50], '\u001b[2J'),
    }),
  );
  assert.deepEqual(parsed, { format: 'safetensors', name: `[2J${'x'.repeat(252)}` });
});

test('hostile bytes give metadata, a wish for more, or a refusal, and nothing else', () => {
  const header = safetensorsHeader({ family: 'sd15', sizeBytes: 1 << 23 });
  const edit = fc.record({
    at: fc.nat(header.length - 1),
    value: fc.constantFrom(0, 0x22, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0x2c, 0x39, 0xff),
    length: fc.nat(6),
  });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 4 }), (edits) => {
      const hostile = Uint8Array.from(header);
      for (const { at, value, length } of edits) hostile.fill(value, at, at + length);
      tryAll(hostile);
    }),
    { numRuns: 1000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.json(), (random, json) => {
      tryAll(random);
      tryAll(framed(json));
      tryAll(framed(`{"a":${json}}`));
      tryAll(framed(`{"a":{"data_offsets":${json},"shape":${json}},"__metadata__":${json}}`));
    }),
    { numRuns: 1000 },
  );
});
