import Type, { type Static, type TObject, type TSchema, type TUnsafe } from 'typebox';
import type { Frozen } from '../util/frozen.ts';

/** The documents of the HTTP API. `test/api/schemas.test.ts` checks real answers against them. */

const Bytes = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) });
const Count = (description?: string) => Bytes(description);
const Time = (description: string) => Type.String({ format: 'date-time', description });
const choice = <const T extends string[]>(...values: readonly [...T]) => Type.Enum<T>(values);

/** Named schemas stand once in the OpenAPI document and are referred to (`refTo`). */
export interface Named {
  readonly $id: string;
}
export const named = <T extends TObject>($id: string, schema: T): T & Named => Object.assign(schema, { $id });

export const ModelState = choice('installed', 'fetching', 'queued', 'missing', 'corrupt');

const Trouble = Type.Object(
  {
    code: Type.String(),
    message: Type.String(),
    remedy: Type.Optional(Type.String()),
    missingBytes: Type.Optional(Bytes()),
  },
  { description: 'Why it is not as it should be' },
);

const ModelFile = Type.Object({
  path: Type.String({ description: 'Relative to the models directory' }),
  sizeBytes: Bytes(),
  sha256: Type.Optional(Type.String({ description: '64 hex digits; absent while nobody has hashed the file' })),
  manifest: Type.Optional(Type.String({ description: 'CID of the manifest with the BLAKE3 hash of every piece' })),
});

export const ModelSchema = named(
  'Model',
  Type.Object({
    id: Type.String({ description: 'Path relative to the models directory' }),
    aliases: Type.Array(Type.String()),
    digest: Type.Optional(Type.String({ description: '`sha256:<hex>`; absent while nobody has hashed it' })),
    sizeBytes: Bytes(),
    files: Type.Array(ModelFile),
    state: ModelState,
    pinned: Type.Boolean(),
    wanted: Type.Boolean(),
    nodes: Type.Array(Type.String(), { description: 'Names of the nodes that have it installed' }),
    origins: Type.Array(Type.String()),
    metadata: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]))),
    problem: Type.Optional(Trouble),
  }),
);

const Source = Type.Object({
  kind: choice('peer', 'origin'),
  id: Type.String({ description: 'Peer id, or URL without credentials' }),
  name: Type.Optional(Type.String()),
  bytes: Bytes(),
  pieces: Count(),
  bytesPerSecond: Type.Number({ minimum: 0 }),
  state: choice('active', 'idle', 'stalled', 'blamed', 'gone'),
});

export const TransferSchema = named(
  'Transfer',
  Type.Object({
    model: Type.String(),
    digest: Type.Optional(Type.String()),
    state: choice('queued', 'starting', 'fetching', 'stalled', 'verifying', 'installing', 'failed', 'done'),
    bytesTotal: Bytes(),
    bytesDone: Bytes('Verified bytes'),
    refetchedBytes: Bytes('Bytes that had to be fetched again'),
    bytesPerSecond: Type.Number({ minimum: 0 }),
    etaMs: Type.Optional(Type.Number({ minimum: 0, description: 'Absent while nothing moves' })),
    startedAt: Time('When it was wanted'),
    seconds: Type.Number({ minimum: 0 }),
    sources: Type.Array(Source),
    problem: Type.Optional(Trouble),
  }),
);

export const PeerSchema = named(
  'Peer',
  Type.Object({
    peerId: Type.String(),
    name: Type.String(),
    connected: Type.Boolean(),
    addresses: Type.Array(Type.String()),
    lane: Type.Optional(Type.String()),
    transport: choice('stream', 'lane', 'none'),
    laneProblem: Type.Optional(Type.String({ description: 'why pieces go over libp2p, where the lane was tried' })),
    models: Count(),
    freeBytes: Bytes(),
    totalBytes: Type.Optional(Bytes('Of the disk of its models directory; absent where it does not tell')),
    seenMsAgo: Type.Number({ minimum: 0 }),
    receivedBytes: Bytes('Fetched from it'),
    sentBytes: Bytes(),
    rejectedPieces: Count('Pieces of it that failed their hash'),
    blamed: Type.Optional(
      Type.Object(
        { reason: Type.String(), until: Time('When it is asked again'), strikes: Count() },
        { description: 'It sent something wrong and is avoided for now' },
      ),
    ),
  }),
);

export const OriginSchema = named(
  'Origin',
  Type.Object({
    url: Type.String(),
    kind: choice('file', 'http'),
    published: Type.Boolean({ description: 'Prepared by `shoal publish`' }),
    reachable: Type.Boolean(),
    models: Count(),
    listedAt: Type.Optional(Time('When its list was last read')),
    problem: Type.Optional(Trouble),
  }),
);

const Orchestrator = Type.Object({
  url: Type.String(),
  registered: Type.Boolean(),
  lastHeartbeatAt: Type.Optional(Time('When it last accepted a heartbeat')),
  problem: Type.Optional(Trouble),
});

export const NodeSchema = named(
  'Node',
  Type.Object({
    name: Type.String(),
    peerId: Type.String(),
    version: Type.String(),
    api: Type.String(),
    listen: Type.Array(Type.String(), { description: 'Multiaddrs with /p2p/…' }),
    lane: Type.Optional(Type.String({ description: 'host:port' })),
    peers: Count('Connected peers'),
    models: Type.Object({
      installed: Count(),
      fetching: Count(),
      queued: Count(),
      missing: Count(),
      corrupt: Count(),
      wanted: Count(),
    }),
    disk: Type.Object({
      modelsDir: Type.String(),
      totalBytes: Bytes(),
      freeBytes: Bytes(),
      usedByModelsBytes: Bytes(),
      reservedBytes: Bytes('Reserved by downloads that run'),
      cacheMaxBytes: Type.Optional(Bytes()),
    }),
    uptimeSeconds: Type.Number({ minimum: 0 }),
    rssBytes: Bytes(),
    orchestrators: Type.Array(Orchestrator),
    blake3: choice('native', 'wasm'),
  }),
);

export const VerificationSchema = named(
  'Verification',
  Type.Object({
    model: Type.String(),
    ok: Type.Boolean(),
    files: Type.Array(Type.Object({ path: Type.String(), ok: Type.Boolean() })),
  }),
);

export const CheckSchema = named(
  'Check',
  Type.Object({
    check: Type.String(),
    status: choice('ok', 'warning', 'failed'),
    detail: Type.String(),
    remedy: Type.Optional(Type.String()),
  }),
);

export const ProblemSchema = named(
  'Problem',
  Type.Object(
    {
      type: Type.String({ description: '`urn:shoal:problem:` and the code' }),
      title: Type.String(),
      status: Type.Integer({ minimum: 400, maximum: 599 }),
      detail: Type.String({ description: 'What went wrong this time, for people' }),
      code: Type.String({ description: 'Stable, for programs' }),
      remedy: Type.Optional(Type.String({ description: 'What a person can do about it' })),
      correlationId: Type.String({ description: 'As in X-Correlation-Id and in the log' }),
    },
    {
      description: 'RFC 9457; more members carry facts, like `missingBytes`',
      additionalProperties: true,
    },
  ),
);

export const WantSchema = named(
  'Want',
  Type.Object(
    {
      priority: Type.Optional(choice('normal', 'high')),
      digest: Type.Optional(
        Type.String({ pattern: '^(sha256:)?[0-9a-f]{64}$', description: 'Only this content will do' }),
      ),
    },
    { additionalProperties: false },
  ),
);

export const sharedSchemas: readonly (TSchema & Named)[] = [
  ModelSchema,
  TransferSchema,
  PeerSchema,
  OriginSchema,
  NodeSchema,
  VerificationSchema,
  CheckSchema,
  ProblemSchema,
  WantSchema,
];

/** A reference to a shared schema, so that the OpenAPI document names it once. */
export function refTo<T extends TSchema & Named>(schema: T): TUnsafe<Frozen<Static<T>>> {
  return Type.Unsafe<Frozen<Static<T>>>({ $ref: `${schema.$id}#` });
}

export type Model = Frozen<Static<typeof ModelSchema>>;
export type Transfer = Frozen<Static<typeof TransferSchema>>;
export type Peer = Frozen<Static<typeof PeerSchema>>;
export type Origin = Frozen<Static<typeof OriginSchema>>;
export type Node = Frozen<Static<typeof NodeSchema>>;
export type Verification = Frozen<Static<typeof VerificationSchema>>;
export type Check = Frozen<Static<typeof CheckSchema>>;
export type Problem = Static<typeof ProblemSchema>;
