/** What a route is asked and what it answers, by `METHOD /path`: shown in the OpenAPI document, held against its schemas by a test. */
export type Examples = Readonly<Record<string, { readonly body?: unknown; readonly answer?: unknown }>>;

const digest = 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const model = 'checkpoints/sdxl/juggernaut.safetensors';

const entry = {
  ...{ id: 'llama-3.1-8b', aliases: ['llm/llama-3.1-8b.gguf'], digest, size_bytes: 4_920_734_272 },
  ...{ state: 'Active', last_verified_ms: null, status: 'fetching', nodes: ['gpu-2'] },
};

export const fleetExamples: Examples = {
  'GET /v1/fleet': {
    answer: {
      ...{ kind: 'daemon', revision: 'mi3k2a-17', self: 0, models: [{ id: model, digest, sizeBytes: 7_105_348_592 }] },
      nodes: [
        {
          ...{ id: 'gpu-1', status: 'online', address: 'http://10.0.0.1:7420', cells: [] },
          ...{ freeBytes: 812_000_000_000, totalBytes: 1_920_000_000_000 },
        },
        {
          ...{ id: 'gpu-2', status: 'online', address: 'http://10.0.0.2:7420', seenMsAgo: 2_400 },
          cells: [
            { model: 0, state: 'fetching', bytesTotal: 7_105_348_592, bytesMissing: 2_131_604_577, etaMs: 21_000 },
          ],
        },
      ],
      installed: ['gA==', 'AA=='],
    },
  },
  'GET /v1/fleet/nodes': { answer: { revision: 'mi3k2a-17', nodes: [{ id: 'gpu-1', status: 'online', cells: [] }] } },
  'GET /v2/catalog/availability': {
    answer: {
      nodes: {
        'gpu-1': {
          ...{ node_id: 'gpu-1', address: 'http://10.0.0.1:7420', online: true, models: ['juggernaut', model] },
          pools: [{ pool_id: 'pool-0', ready: true, models: ['juggernaut', model] }],
        },
      },
      ...{ total_models: 2, replicated_models: [], single_node_models: ['juggernaut', model] },
    },
  },
};

export const daemonExamples: Examples = {
  ...fleetExamples,
  'PUT /v1/models/{id}/want': { body: { priority: 'high', digest } },
  'GET /v2/catalog/models': { answer: { models: [entry], count: 1 } },
  'GET /v2/catalog/models/{id}': { answer: entry },
  'POST /v2/catalog/models': {
    body: { id: 'llama-3.1-8b', digest, source_url: 'https://host/llama-3.1-8b.gguf' },
    answer: entry,
  },
  'POST /v2/catalog/models/{id}/state': {
    body: { state: 'Retired', deadline_ms: 60_000 },
    answer: { ...entry, state: 'Retired', deadline_ms: 1_795_255_260_000 },
  },
  'POST /pools/{id}/preload': { body: { model_id: 'llama-3.1-8b', engine: 'llamacpp' } },
};
