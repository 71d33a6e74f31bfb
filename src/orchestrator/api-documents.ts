import Type, { type Static } from 'typebox';
import { EPOCH_TIMES_SAY } from '../util/time-given.ts';
import { DiskSchema, RegistrationSchema } from './documents.ts';
import { LIMITS } from './limits.ts';
import { refusals } from './placement.ts';

/** The documents of the orchestrator's HTTP API, beside what nodes send (`orchestrator/documents`). */

const choice = <const T extends string[]>(...values: readonly [...T]) => Type.Enum<T>(values);
const Id = Type.String({ minLength: 1, maxLength: LIMITS.idLength });
const ModelName = Type.String({ minLength: 1, maxLength: LIMITS.modelNameLength });
const Count = Type.Integer({ minimum: 0 });
const AtMs = Type.Integer({ description: 'Milliseconds since the epoch' });

/** A lease covers the time until the pool itself shows the work, not the work. */
const LeaseMs = Type.Integer({ minimum: 100, maximum: 600_000 });
export const WAIT_MAX_MS = 300_000;

export const NodeStatusSchema = choice('Registering', 'Online', 'Draining', 'Offline', 'Failed');

export const NodeSchema = Type.Object({
  ...RegistrationSchema.properties,
  status: NodeStatusSchema,
  registered_at_ms: AtMs,
  last_heartbeat_ms: Type.Optional(AtMs),
  operator_draining: Type.Boolean({ description: 'Set with PATCH' }),
  disk: Type.Optional(DiskSchema),
});

export const NodeListSchema = Type.Object({ nodes: Type.Array(NodeSchema), count: Type.Integer() });

export const AcceptedSchema = Type.Object({ success: Type.Boolean(), message: Type.String(), node_id: Type.String() });

export const BeatenSchema = Type.Object({
  success: Type.Boolean(),
  next_heartbeat_ms: Type.Integer({ description: 'When the next heartbeat is expected' }),
});

export const NodeChangeSchema = Type.Object(
  {
    draining: Type.Optional(Type.Boolean({ description: 'No new tasks for this node' })),
    priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'The lowest first' })),
  },
  { additionalProperties: false },
);

export const PlacementRequestSchema = Type.Object(
  {
    model: Type.Optional(ModelName),
    models: Type.Optional(
      Type.Array(ModelName, { minItems: 1, maxItems: 64, description: 'All of them on the same pool' }),
    ),
    digest: Type.Optional(
      Type.String({
        pattern: '^(sha256:)?[0-9a-f]{64}$',
        description: 'The model, exactly one, must be known to have this content',
      }),
    ),
    strategy: Type.Optional(choice('round-robin', 'least-loaded', 'priority', 'fastest-completion', 'random')),
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Candidates at most; 3 if absent' })),
    exclude: Type.Optional(
      Type.Array(Type.String({ maxLength: 2 * LIMITS.idLength + 1 }), {
        maxItems: 1_000,
        description: 'Ids of nodes, or `node_id/pool_id`',
      }),
    ),
    max_wait_ms: Type.Optional(
      Type.Integer({ minimum: 0, maximum: WAIT_MAX_MS, description: 'Waits so long for a pool to become able' }),
    ),
    lease_ms: Type.Optional(LeaseMs),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 4_294_967_295, description: 'For the strategy `random`' })),
  },
  { additionalProperties: false },
);

/** A year: one sum of two that are beyond all numbers would be what every task is taken to need from then on. */
export const TookMsSchema = Type.Number({ minimum: 0, maximum: 365 * 24 * 3_600_000 });

export const LeaseSchema = Type.Object({
  lease_id: Type.String(),
  node_id: Type.String(),
  pool_id: Type.String(),
  address: Type.String(),
  granted_at_ms: AtMs,
  expires_at_ms: AtMs,
});

export const LeaseListSchema = Type.Object({ leases: Type.Array(LeaseSchema) });

const CandidateSchema = Type.Object({
  node_id: Type.String(),
  pool_id: Type.String(),
  address: Type.String(),
  engine: Type.Optional(Type.String()),
  slots_free: Type.Integer({ description: 'Less what is leased' }),
  slots_total: Count,
  vram_free_bytes: Count,
  priority: Count,
  reason: Type.String({ description: 'Why it stands where it stands, for people' }),
});

export const PlacementSchema = Type.Object({
  candidates: Type.Array(CandidateSchema, { description: 'Best first' }),
  strategy: Type.String(),
  waited_ms: Count,
  lease: Type.Optional(LeaseSchema),
});

const ProspectSchema = Type.Object({
  node_id: Type.String(),
  pool_id: Type.String(),
  address: Type.String(),
  in_ms: Count,
  because: choice('incoming', 'fetch', 'slot'),
});

/** What a 409 of a placement tells beside the members of every problem document. */
export const NoPlacementSchema = Type.Object({
  refused: Type.Array(
    Type.Object({ node_id: Type.String(), pool_id: Type.String(), reason: Type.Enum([...refusals]) }),
  ),
  refused_counts: Type.Record(Type.String(), Count),
  soonest: Type.Union([ProspectSchema, Type.Null()]),
  could_run: Type.Array(ProspectSchema, { description: 'Soonest first' }),
});

export const LeaseRequestSchema = Type.Object(
  { node_id: Id, pool_id: Id, lease_ms: Type.Optional(LeaseMs) },
  { additionalProperties: false },
);

export const CatalogRequestSchema = Type.Object({
  id: Type.Optional(Type.String({ maxLength: LIMITS.modelNameLength })),
  digest: Type.Optional(Type.String({ maxLength: 256 })),
  source_url: Type.Optional(Type.Union([Type.String({ maxLength: 4_096 }), Type.Null()])),
  size_bytes: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
});

export const CatalogModelSchema = Type.Object({
  id: Type.String(),
  digest: Type.String(),
  source_url: Type.Optional(Type.String()),
  size_bytes: Type.Optional(Count),
  state: choice('Active', 'Retired'),
  deadline_ms: Type.Optional(Type.Integer({ description: 'A retired model is placed until then, since the epoch' })),
  registered_at_ms: AtMs,
  last_verified_ms: Type.Union([AtMs, Type.Null()], {
    description: 'When `verify` last found the digest on a node, and no other on any',
  }),
  nodes: Type.Array(Type.String(), { description: 'Nodes that are online and have it' }),
});

export const CatalogListSchema = Type.Object({
  models: Type.Array(CatalogModelSchema),
  count: Type.Integer({ description: 'Of all, not of this page' }),
  next_cursor: Type.Optional(Type.String()),
});

export const CatalogVerificationSchema = Type.Object({
  id: Type.String(),
  matching: Type.Array(Type.String()),
  differing: Type.Array(Type.String()),
  unknown: Type.Array(Type.String(), { description: 'Has the id and says no digest' }),
});

export const CatalogStateSchema = Type.Object({
  state: choice('Active', 'Retired'),
  deadline_ms: Type.Optional(
    Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], {
      description: `When placement on a retired model ends: ${EPOCH_TIMES_SAY}`,
    }),
  ),
});

export type PlacementRequest = Static<typeof PlacementRequestSchema>;
export type PlacementDocument = Static<typeof PlacementSchema>;
export type NoPlacementDocument = Static<typeof NoPlacementSchema>;
export type LeaseDocument = Static<typeof LeaseSchema>;
export type NodeDocument = Static<typeof NodeSchema>;
export type CatalogModelDocument = Static<typeof CatalogModelSchema>;
export type NodeChangeRequest = Static<typeof NodeChangeSchema>;
export type LeaseRequest = Static<typeof LeaseRequestSchema>;
export type CatalogRequest = Static<typeof CatalogRequestSchema>;
export type NodeListDocument = Static<typeof NodeListSchema>;
export type CatalogListDocument = Static<typeof CatalogListSchema>;
export type CatalogVerificationDocument = Static<typeof CatalogVerificationSchema>;
export type CatalogStateRequest = Static<typeof CatalogStateSchema>;
