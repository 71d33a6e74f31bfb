import Type, { type Static } from 'typebox';
import type { Frozen } from '../util/frozen.ts';

/** `GET /v2/catalog/availability`, the same from a daemon and from an orchestrator. */

const Names = (description?: string) =>
  Type.Array(Type.String(), description === undefined ? {} : { description: `${description}; sorted` });

const PoolAvailabilitySchema = Type.Object({
  pool_id: Type.String(),
  ready: Type.Boolean(),
  models: Names(),
});

const NodeAvailabilitySchema = Type.Object({
  node_id: Type.String(),
  address: Type.String({ description: '`http://host:port` of its API' }),
  online: Type.Boolean(),
  models: Names('Ids and aliases of what is installed and verified there; none of a node that is offline'),
  pools: Type.Array(PoolAvailabilitySchema),
});

export const AvailabilitySchema = Type.Object({
  nodes: Type.Record(Type.String(), NodeAvailabilitySchema),
  total_models: Type.Integer({ minimum: 0, description: 'Names that some node has' }),
  replicated_models: Names('On every node that is online, and on more than one'),
  single_node_models: Names('On one node only: when it goes, so does the model'),
});

/** The lists over all nodes stand in each page. */
export const AvailabilityPageSchema = Type.Object({
  ...AvailabilitySchema.properties,
  next_cursor: Type.Optional(Type.String({ description: 'What asks for the next page; absent in the last' })),
});

export type AvailabilityDocument = Frozen<Static<typeof AvailabilitySchema>>;
export type AvailabilityPageDocument = Frozen<Static<typeof AvailabilityPageSchema>>;
export type NodeAvailability = Frozen<Static<typeof NodeAvailabilitySchema>>;
export type PoolAvailability = Frozen<Static<typeof PoolAvailabilitySchema>>;
