import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  availableNames,
  digestsByName,
  heartbeatDocument,
  type RegistrationDocument,
} from '../../src/flows/heartbeat-documents.ts';
import { parseHeartbeat, parseRegistration } from '../../src/orchestrator/parse-document.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { recorded } from './fleet-fixture.ts';

/** A copy of a recorded document with one place changed. */
function withField(name: string, path: readonly (string | number)[], value: unknown): unknown {
  const document = recorded(name);
  let place = document as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) place = place[key] as Record<string | number, unknown>;
  const last = path.at(-1) ?? '';
  place[last] = value;
  // What is undefined does not stand in JSON.
  return JSON.parse(JSON.stringify(document)) as unknown;
}

function fieldRefused(parse: () => unknown): unknown {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof ShoalError && error.code === 'invalid', String(error));
    assert.ok(error.message.startsWith(String(error.fields['field'])), error.message);
    return error.fields['field'];
  }
  return 'accepted';
}

test('every recorded document is accepted, with models and without, and whatever else stands in it', () => {
  const names = readdirSync(join(import.meta.dirname, 'documents')).map((file) => file.replace(/\.json$/, ''));
  assert.ok(names.length >= 6);
  for (const name of names) {
    const parse = name.includes('register') ? parseRegistration : parseHeartbeat;
    assert.doesNotThrow(() => parse(recorded(name)), name);
  }
});

test('what our daemon sends has the recorded form, in both directions', () => {
  const heartbeat = recorded('shoal-heartbeat') as ReturnType<typeof heartbeatDocument>;
  const models = [
    {
      id: 'checkpoints/sdxl/juggernaut.safetensors',
      aliases: ['juggernaut'],
      digest: Object.values(heartbeat.model_digests)[0],
    },
  ] as unknown as Parameters<typeof availableNames>[0];
  const available = availableNames(models);
  const digests = { ...digestsByName(models) };
  const pools = [{ id: 'gpu-1', ready: true, draining: false, slotsTotal: 1, slotsFree: 1, vramFreeBytes: 0 }];
  const facts = { now: Date.parse(heartbeat.timestamp), ready: true, pools, available, digests };
  const disk = { freeBytes: 812_000_000_000, totalBytes: 1_920_000_000_000 };
  assert.deepEqual(heartbeatDocument({ ...facts, disk, incoming: heartbeat.models_incoming }), heartbeat);
  const withoutDisk = heartbeatDocument({ ...facts, incoming: heartbeat.models_incoming });
  assert.ok(!('disk' in withoutDisk), 'where the models directory cannot be reached');
  assert.doesNotThrow(() => parseHeartbeat({ ...withoutDisk, disk: null }));
  const registration: RegistrationDocument = recorded('shoal-register') as RegistrationDocument;
  assert.deepEqual(parseRegistration(registration), registration);
  assert.deepEqual(registration.capabilities.gpus, [], 'gpus is always there');
});

test('a wrong registration is refused with the name of the field', () => {
  for (const [path, value, field] of [
    [['node_id'], undefined, 'node_id'],
    [['node_id'], '', 'node_id'],
    [['node_id'], 'a\nb', 'node_id'],
    [['node_id'], 'x'.repeat(257), 'node_id'],
    [['machine_id'], 7, 'machine_id'],
    [['address'], 'file:///etc/passwd', 'address'],
    [['address'], 'http://host/with/a/path', 'address'],
    [['pools'], 'pool-0', 'pools'],
    [['pools', 1], null, 'pools[1]'],
    [['capabilities'], undefined, 'capabilities'],
    [['capabilities', 'gpus'], undefined, 'capabilities.gpus'],
    [['capabilities', 'gpus', 0, 'device_id'], -1, 'capabilities.gpus[0].device_id'],
    [['capabilities', 'gpus', 0, 'vram_total_bytes'], 'much', 'capabilities.gpus[0].vram_total_bytes'],
  ] as const) {
    const document = withField('upstream-register', path, value);
    assert.equal(
      fieldRefused(() => parseRegistration(document)),
      field,
    );
  }
});

test('a wrong heartbeat is refused with the name of the field', () => {
  for (const [path, value, field] of [
    [['timestamp'], 'yesterday', 'timestamp'],
    [['timestamp'], undefined, 'timestamp'],
    [['pools'], {}, 'pools'],
    [['pools', 0, 'pool_id'], undefined, 'pools[0].pool_id'],
    [['pools', 0, 'slots_free'], -1, 'pools[0].slots_free'],
    [['pools', 0, 'slots_free'], 1.5, 'pools[0].slots_free'],
    [['pools', 0, 'slots_free'], 2 ** 32, 'pools[0].slots_free'],
    [['pools', 0, 'slots_free'], 2, 'pools[0].slots_free'],
    [['pools', 0, 'ready'], 'yes', 'pools[0].ready'],
    [['models_incoming', 0, 'bytes_missing'], -1, 'models_incoming[0].bytes_missing'],
    [['disk'], 7, 'disk'],
    [['disk', 'free_bytes'], -1, 'disk.free_bytes'],
    [['disk', 'free_bytes'], 1e13, 'disk.free_bytes'],
    [['disk', 'total_bytes'], 1e300, 'disk.total_bytes'],
    [['disk', 'total_bytes'], undefined, 'disk.total_bytes'],
    [['models_incoming', 0, 'digest'], 'md5:1', 'models_incoming[0].digest'],
  ] as const) {
    const document = withField('shoal-heartbeat', path, value);
    assert.equal(
      fieldRefused(() => parseHeartbeat(document)),
      field,
      JSON.stringify(value),
    );
  }
  const pools = (recorded('shoal-heartbeat') as { pools: unknown[] }).pools;
  const twice = withField('shoal-heartbeat', ['pools'], [...pools, ...pools]);
  assert.equal(
    fieldRefused(() => parseHeartbeat(twice)),
    'pools[1].pool_id',
  );
  for (const wrong of [null, undefined, 7, 'text', [], true]) {
    assert.equal(
      fieldRefused(() => parseHeartbeat(wrong)),
      Array.isArray(wrong) ? 'the body' : 'the body',
    );
  }
});

test('a million models in one heartbeat are refused by their number, without looking at them', () => {
  const million = new Array<string>(1_000_000).fill('m');
  const before = process.memoryUsage().heapUsed;
  for (const path of [['models_available'], ['pools', 0, 'models_available']]) {
    const document = withField('shoal-heartbeat', path, million);
    const tookMs = Array.from({ length: 5 }, () => {
      const startMs = performance.now();
      assert.throws(() => parseHeartbeat(document), /models_available has 1000000 entries, and 20000 are the most/);
      return performance.now() - startMs;
    });
    // A busy machine holds up one or the other.
    assert.ok(Math.min(...tookMs) < 50, tookMs.join(', '));
  }
  const wrong = withField('shoal-heartbeat', ['models_incoming'], new Array<number>(1_000_000).fill(1));
  assert.throws(() => parseHeartbeat(wrong), /models_incoming/);
  assert.ok(process.memoryUsage().heapUsed - before < 64 * 2 ** 20);
});
