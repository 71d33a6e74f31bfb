import Type, { type Static } from 'typebox';
import type { Frozen } from '../util/frozen.ts';

/** `GET /v1/fleet`, the same from a daemon and from an orchestrator: which model is where, small enough to read again. */

const choice = <const T extends string[]>(...values: readonly [...T]) => Type.Enum<T>(values);
const Count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) });
const Bits = (description: string) => Type.String({ contentEncoding: 'base64', description });

const Cell = Type.Object({
  model: Count('Index into `models` of the same revision'),
  state: choice('fetching', 'queued', 'missing', 'corrupt', 'differs'),
  bytesTotal: Type.Optional(Count()),
  bytesMissing: Type.Optional(
    Count('At an orchestrator: by the last heartbeat, less what the measured rate has brought since'),
  ),
  etaMs: Type.Optional(Count()),
  bytesPerSecond: Type.Optional(Count('At an orchestrator: as measured from heartbeat to heartbeat')),
});

const FleetNode = Type.Object({
  id: Type.String(),
  status: choice('online', 'offline', 'draining', 'registering', 'failed'),
  address: Type.Optional(Type.String()),
  seenMsAgo: Type.Optional(Count('Since its last sign of life; absent for the node that answers')),
  totalBytes: Type.Optional(Count('Of the disk of its models directory; absent where the node does not tell')),
  freeBytes: Type.Optional(Count()),
  slotsFree: Type.Optional(Count()),
  slotsTotal: Type.Optional(Count()),
  cells: Type.Array(Cell, { description: 'What is neither simply installed nor simply absent' }),
});

const FleetModel = Type.Object({
  id: Type.String(),
  aliases: Type.Optional(Type.Array(Type.String(), { description: 'Without its name less folders and extension' })),
  digest: Type.Optional(Type.String()),
  sizeBytes: Type.Optional(Count()),
  origins: Type.Optional(Count('Origins that offer it')),
});

export const FleetDocumentSchema = Type.Object({
  kind: choice('daemon', 'orchestrator'),
  revision: Type.String({
    description: 'Changes with nodes, models and what is installed where; not with progress and ages',
  }),
  self: Type.Optional(Count('Index of the node that answers')),
  models: Type.Array(FleetModel),
  nodes: Type.Array(FleetNode),
  installed: Type.Array(Bits('One bit per model, the first model in the highest bit'), {
    description: 'In the order of `nodes`',
  }),
});

export const FleetNodesDocumentSchema = Type.Object({ revision: Type.String(), nodes: Type.Array(FleetNode) });

export type FleetDocument = Frozen<Static<typeof FleetDocumentSchema>>;
export type FleetNodeDocument = FleetDocument['nodes'][number];
export type FleetCellDocument = FleetNodeDocument['cells'][number];
