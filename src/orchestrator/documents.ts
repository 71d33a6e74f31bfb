import Type, { type Static } from 'typebox';
import { LIMITS } from './limits.ts';

/**
 * What nodes send: the llama-orch node protocol, version 2, with `models_available` and what Shoal adds beside it.
 * Fields that are not named here are ignored.
 */

const Id = Type.String({ minLength: 1, maxLength: LIMITS.idLength, pattern: '^[^\\u0000-\\u001f\\u007f]+$' });
const Text = Type.String({ maxLength: LIMITS.textLength });
const U32 = Type.Integer({ minimum: 0, maximum: 4_294_967_295 });
const Bytes = Type.Integer({ minimum: 0 });
const DiskBytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Priority = Type.Integer({
  minimum: 0,
  maximum: 1_000_000,
  description: 'The lowest is chosen first; 1 if absent',
});
const ModelName = Type.String({ minLength: 1, maxLength: LIMITS.modelNameLength });
const ModelNames = Type.Array(ModelName, { maxItems: LIMITS.modelsPerList });
const Digest = Type.String({ pattern: '^sha256:[0-9a-f]{64}$' });

export const RegistrationSchema = Type.Object({
  node_id: Id,
  machine_id: Id,
  address: Type.String({
    pattern: '^https?://[^\\s/]+/?$',
    maxLength: LIMITS.idLength,
    description: '`http://host:port` of the node',
  }),
  pools: Type.Array(Id, { maxItems: LIMITS.poolsPerNode }),
  capabilities: Type.Object({
    gpus: Type.Array(
      Type.Object({
        device_id: U32,
        name: Text,
        vram_total_bytes: Bytes,
        compute_capability: Text,
      }),
      { maxItems: LIMITS.gpusPerNode, description: 'Required, may be empty' },
    ),
    cpu_cores: Type.Optional(Type.Union([U32, Type.Null()])),
    ram_total_bytes: Type.Optional(Type.Union([Bytes, Type.Null()])),
  }),
  version: Type.Optional(Type.Union([Text, Type.Null()])),
  priority: Type.Optional(Priority),
});

const PoolSchema = Type.Object({
  pool_id: Id,
  ready: Type.Boolean(),
  draining: Type.Boolean(),
  slots_free: U32,
  slots_total: U32,
  vram_free_bytes: Bytes,
  engine: Type.Optional(Type.Union([Text, Type.Null()])),
  priority: Type.Optional(Priority),
  models_available: Type.Optional(
    Type.Union([ModelNames, Type.Null()], { description: "The node's own list holds for pools without one" }),
  ),
  leases: Type.Optional(
    Type.Array(Id, {
      maxItems: 10_000,
      description: 'Leases whose work `slots_free` counts already; without it that is concluded from `slots_free`',
    }),
  ),
});

export const IncomingSchema = Type.Object({
  id: ModelName,
  digest: Type.Optional(Type.Union([Digest, Type.Null()])),
  bytes_total: Bytes,
  bytes_missing: Bytes,
  eta_ms: Type.Optional(Type.Union([Type.Number({ minimum: 0 }), Type.Null()])),
});

export const DiskSchema = Type.Object(
  { free_bytes: DiskBytes, total_bytes: DiskBytes },
  { description: 'The disk that holds the models; to be shown' },
);

export const HeartbeatSchema = Type.Object({
  timestamp: Type.String({
    pattern: '^\\d{4}-\\d\\d-\\d\\d[Tt ]\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,12})?([Zz]|[+-]\\d\\d:\\d\\d)$',
    maxLength: 64,
    description: 'RFC 3339',
  }),
  pools: Type.Array(PoolSchema, { maxItems: LIMITS.poolsPerNode }),
  models_available: Type.Optional(Type.Union([ModelNames, Type.Null()])),
  models_incoming: Type.Optional(
    Type.Union([Type.Array(IncomingSchema, { maxItems: LIMITS.incomingPerNode }), Type.Null()]),
  ),
  model_digests: Type.Optional(
    Type.Record(Type.String(), Digest, {
      maxProperties: LIMITS.modelsPerList,
      description: 'Digests of available models by name, for placement by digest',
    }),
  ),
  disk: Type.Optional(Type.Union([DiskSchema, Type.Null()])),
});

export type Registration = Static<typeof RegistrationSchema>;
export type Heartbeat = Static<typeof HeartbeatSchema>;
export type HeartbeatPool = Static<typeof PoolSchema>;
export type Incoming = Static<typeof IncomingSchema>;

/** What is kept of a registration: whatever else a node sends is nothing that anybody reads. */
export function withKnownFields(given: Registration): Registration {
  const { node_id, machine_id, address, pools, version, priority } = given;
  const { gpus, cpu_cores, ram_total_bytes } = given.capabilities;
  return {
    node_id,
    machine_id,
    address,
    pools,
    capabilities: {
      gpus: gpus.map(({ device_id, name, vram_total_bytes, compute_capability }) => {
        return { device_id, name, vram_total_bytes, compute_capability };
      }),
      ...(cpu_cores === undefined ? {} : { cpu_cores }),
      ...(ram_total_bytes === undefined ? {} : { ram_total_bytes }),
    },
    ...(version === undefined ? {} : { version }),
    ...(priority === undefined ? {} : { priority }),
  };
}
