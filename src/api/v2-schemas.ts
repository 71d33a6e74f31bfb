import Type, { type Static, type TSchema, type TUnsafe } from 'typebox';
import type { Frozen } from '../util/frozen.ts';
import { EPOCH_TIMES_SAY } from '../util/time-given.ts';

/** The documents of `/v2/catalog` and of `/pools`, in the names that orchestrators of the llama-orch kind use. */

const Names = (description: string) => Type.Array(Type.String(), { description });

export const CatalogEntrySchema = Type.Object({
  id: Type.String(),
  aliases: Type.Array(Type.String()),
  digest: Type.Optional(Type.String({ description: '`sha256:<hex>`; absent while nobody has hashed it' })),
  size_bytes: Type.Integer({ minimum: 0 }),
  source_url: Type.Optional(Type.String()),
  state: Type.Enum(['Active', 'Retired']),
  deadline_ms: Type.Optional(
    Type.Number({ description: 'When it stops, or has stopped, to be reported: milliseconds since the epoch' }),
  ),
  last_verified_ms: Type.Union([Type.Number(), Type.Null()], {
    description: 'When this node last read every byte of it on request',
  }),
  status: Type.Enum(['available', 'verifying', 'fetching', 'queued', 'missing', 'corrupt'], {
    description: 'Of the copy on this node',
  }),
  nodes: Names('Nodes that have it installed'),
  problem: Type.Optional(
    Type.Object({
      code: Type.String(),
      message: Type.String(),
      remedy: Type.Optional(Type.String()),
      missingBytes: Type.Optional(Type.Integer({ minimum: 0 })),
    }),
  ),
});

/** Read with care by the route: what is wrong in it has an answer of its own. */
export const RegisterBodySchema = Type.Object(
  {
    id: Type.Unknown({ description: 'Any name; it becomes an alias of the bytes' }),
    digest: Type.Unknown({ description: '`sha256:<hex>`' }),
    source_url: Type.Unknown({ description: 'http(s), or a file below an origin of this node' }),
  },
  { additionalProperties: true, required: [] },
);

export const StateBodySchema = Type.Object(
  {
    state: Type.Unknown({ description: '`Active` or `Retired`' }),
    deadline_ms: Type.Unknown({ description: `When it stops to be reported: ${EPOCH_TIMES_SAY}; at once when absent` }),
  },
  { additionalProperties: true, required: [] },
);

export const PreloadBodySchema = Type.Object(
  {
    model_id: Type.Unknown({ description: 'Id or alias' }),
    engine: Type.Unknown(),
    prepared: Type.Unknown({ description: "A pool manager's own order, passed on as it is" }),
  },
  { additionalProperties: true, required: [] },
);

export const RefusalSchema = Type.Object({ error: Type.String() });

/** Views are read-only all the way down. */
export function frozen<T extends TSchema>(schema: T): TUnsafe<Frozen<Static<T>>> {
  return Type.Unsafe<Frozen<Static<T>>>(schema);
}
