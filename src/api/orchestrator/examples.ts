import { type Examples, fleetExamples } from '../examples.ts';

const digest = 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const atMs = 1_795_255_200_000;
const registration = {
  ...{ node_id: 'gpu-1', machine_id: 'm-1', address: 'http://10.0.0.2:9200', pools: ['pool-0'] },
  ...{ capabilities: { gpus: [] }, version: '0.1.0' },
};
const node = {
  ...registration,
  ...{ status: 'Online', registered_at_ms: atMs, last_heartbeat_ms: atMs + 4_000, operator_draining: false },
  disk: { free_bytes: 812_000_000_000, total_bytes: 1_920_000_000_000 },
};
const lease = {
  ...{ lease_id: '1d6a…', node_id: 'gpu-1', pool_id: 'pool-0', address: 'http://10.0.0.2:9200' },
  ...{ granted_at_ms: atMs, expires_at_ms: atMs + 5_000 },
};
const model = {
  ...{ id: 'llama-3.1-8b', digest, source_url: 'https://host/llama-3.1-8b.gguf', state: 'Active' },
  ...{ registered_at_ms: atMs, last_verified_ms: null, nodes: ['gpu-1'] },
};

export const orchestratorExamples: Examples = {
  ...fleetExamples,
  'POST /v2/nodes/register': {
    body: registration,
    answer: { success: true, message: 'registered', node_id: 'gpu-1' },
  },
  'POST /v2/nodes/{node_id}/heartbeat': {
    body: {
      timestamp: '2026-11-21T10:00:00Z',
      pools: [
        {
          ...{ pool_id: 'pool-0', ready: true, draining: false, slots_free: 2, slots_total: 2 },
          ...{ vram_free_bytes: 12_000_000_000, engine: 'llamacpp', models_available: ['llama-3.1-8b'] },
        },
      ],
      models_available: ['llama-3.1-8b'],
      model_digests: { 'llama-3.1-8b': digest },
      models_incoming: [
        { id: 'flux-dev.gguf', digest, bytes_total: 12_711_886_624, bytes_missing: 4_210_032_640, eta_ms: 41_000 },
      ],
      disk: { free_bytes: 812_000_000_000, total_bytes: 1_920_000_000_000 },
    },
    answer: { success: true, next_heartbeat_ms: 10_000 },
  },
  'GET /v2/nodes': { answer: { nodes: [node], count: 1 } },
  'GET /v2/nodes/{node_id}': { answer: node },
  'PATCH /v2/nodes/{node_id}': { body: { draining: true }, answer: { ...node, operator_draining: true } },
  'POST /v2/placement': {
    body: { model: 'llama-3.1-8b', strategy: 'least-loaded', lease_ms: 5_000 },
    answer: {
      candidates: [
        {
          ...{ node_id: 'gpu-1', pool_id: 'pool-0', address: 'http://10.0.0.2:9200', engine: 'llamacpp' },
          ...{ slots_free: 1, slots_total: 2, vram_free_bytes: 12_000_000_000, priority: 1 },
          reason: 'the least loaded, 2 of 2 slots free',
        },
      ],
      ...{ strategy: 'least-loaded', waited_ms: 0, lease },
    },
  },
  'GET /v2/leases': { answer: { leases: [lease] } },
  'POST /v2/leases': { body: { node_id: 'gpu-1', pool_id: 'pool-0', lease_ms: 5_000 }, answer: lease },
  'GET /v2/catalog/models': { answer: { models: [model], count: 1 } },
  'GET /v2/catalog/models/{id}': { answer: model },
  'POST /v2/catalog/models': {
    body: { id: 'llama-3.1-8b', digest, source_url: 'https://host/llama-3.1-8b.gguf' },
    answer: model,
  },
  'POST /v2/catalog/models/{id}/verify': {
    answer: { id: 'llama-3.1-8b', matching: ['gpu-1'], differing: [], unknown: [] },
  },
  'POST /v2/catalog/models/{id}/state': {
    body: { state: 'Retired', deadline_ms: 60_000 },
    answer: { ...model, state: 'Retired', deadline_ms: atMs + 60_000 },
  },
};
