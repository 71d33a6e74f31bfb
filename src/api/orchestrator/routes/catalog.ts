import type { OutgoingHttpHeaders } from 'node:http';
import Type from 'typebox';
import { formatDigest, parseDigest } from '../../../content/digest.ts';
import {
  CatalogListSchema,
  type CatalogModelDocument,
  CatalogModelSchema,
  CatalogRequestSchema,
  CatalogStateSchema,
  type CatalogVerificationDocument,
  CatalogVerificationSchema,
} from '../../../orchestrator/api-documents.ts';
import { AvailabilityPageSchema } from '../../../orchestrator/availability-documents.ts';
import type { FleetNode } from '../../../orchestrator/fleet-node.ts';
import type { CatalogModel } from '../../../orchestrator/model-catalog.ts';
import { ShoalError } from '../../../util/errors.ts';
import { timeGiven } from '../../../util/time-given.ts';
import { type App, problemResponse } from '../../app.ts';
import { isUnchanged } from '../../etag.ts';
import { ChunkSender } from '../chunk-sender.ts';
import type { OrchestratorRouteParts } from '../orchestrator-app.ts';
import { presentModel } from '../present.ts';

const ModelId = Type.Object({ id: Type.String() });
const PAGE_MAX = 1_000;
/** Each holds half a MiB for as long as it reads. */
const AVAILABILITY_READERS_MAX = 64;
const errorShape = { config: { errorShape: 'catalog' } } as const;

/** What the operator says of models, beside what heartbeats say of where they are. */
export function catalogRoutes(app: App, parts: OrchestratorRouteParts): void {
  const { catalog, registry } = parts.orchestrator;
  const present = (model: CatalogModel): CatalogModelDocument =>
    presentModel(model, registry.index.nodesWith(model.id) ?? []);
  availabilityRoute(app, parts);

  app.get(
    '/v2/catalog/models',
    {
      schema: {
        summary: 'The registered models, by id',
        tags: ['catalog'],
        querystring: Type.Object({
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_MAX })),
          cursor: Type.Optional(Type.String()),
        }),
        response: {
          200: CatalogListSchema,
          default: problemResponse,
        },
      },
    },
    ({ query: { limit = PAGE_MAX, cursor } }) => {
      const after = catalog.list().filter(({ id }) => cursor === undefined || id > cursor);
      const page = after.slice(0, limit);
      const last = after.length > limit ? page.at(-1) : undefined;
      const next = last === undefined ? {} : { next_cursor: last.id };
      return { models: page.map(present), count: catalog.size, ...next };
    },
  );

  app.post(
    '/v2/catalog/models',
    {
      ...errorShape,
      schema: {
        summary: 'Say which content an id stands for: nodes that are known to have another one get no tasks for it',
        tags: ['catalog'],
        body: CatalogRequestSchema,
        response: { 201: CatalogModelSchema, default: problemResponse },
      },
    },
    async (request, reply) => {
      const { id = '', digest = '', source_url: sourceUrl, size_bytes: sizeBytes } = request.body;
      if (id.trim() === '') throw missing('id');
      if (digest === '') throw missing('digest');
      const model = await catalog.register({
        id,
        digest: formatDigest(parseDigest(digest)),
        ...(sourceUrl === undefined || sourceUrl === null ? {} : { sourceUrl }),
        ...(sizeBytes === undefined ? {} : { sizeBytes }),
      });
      reply.code(201);
      return present(model);
    },
  );

  app.get(
    '/v2/catalog/models/:id',
    {
      ...errorShape,
      schema: {
        summary: 'A registered model, and the nodes that have it',
        tags: ['catalog'],
        params: ModelId,
        response: { 200: CatalogModelSchema, default: problemResponse },
      },
    },
    (request) => present(catalog.get(request.params.id)),
  );

  app.delete(
    '/v2/catalog/models/:id',
    {
      ...errorShape,
      schema: {
        summary: 'Forget a registration; files on nodes stay',
        tags: ['catalog'],
        params: ModelId,
        response: { 204: Type.Null(), default: problemResponse },
      },
    },
    async (request, reply) => {
      if (!(await catalog.remove(request.params.id))) catalog.get(request.params.id);
      await reply.code(204).send(null);
    },
  );

  app.post(
    '/v2/catalog/models/:id/verify',
    {
      ...errorShape,
      schema: {
        summary: 'Compare the registered digest with what nodes report; nothing is hashed, that is for the nodes',
        description: '`last_verified_ms` is set when a node has the model with this digest and none has another.',
        tags: ['catalog'],
        params: ModelId,
        response: {
          202: CatalogVerificationSchema,
          default: problemResponse,
        },
      },
    },
    async (request, reply) => {
      const model = catalog.get(request.params.id);
      const compared = compareDigests(model, registry.index.nodesWith(model.id) ?? []);
      const { matching, differing } = compared;
      if (matching.length > 0 && differing.length === 0) await catalog.stampVerified(model.id);
      reply.code(202);
      return { id: model.id, ...compared };
    },
  );

  app.post(
    '/v2/catalog/models/:id/state',
    {
      ...errorShape,
      schema: {
        summary: 'A retired model is placed on no node after its deadline',
        tags: ['catalog'],
        params: ModelId,
        body: CatalogStateSchema,
        response: { 202: CatalogModelSchema, default: problemResponse },
      },
    },
    async (request, reply) => {
      const { state, deadline_ms: deadline } = request.body;
      const model = await catalog.setState(request.params.id, state, timeGiven(deadline ?? 0, parts.clock.now()));
      reply.code(202);
      return present(model);
    },
  );
}

function availabilityRoute(app: App, { availability, version, clock }: OrchestratorRouteParts): void {
  // Versions count from the start of this process: the tag tells two processes apart.
  const epoch = `${version}-${clock.now().toString(36)}`;
  const sender = new ChunkSender({ maxReaders: AVAILABILITY_READERS_MAX });
  app.get(
    '/v2/catalog/availability',
    {
      schema: {
        summary: 'Which models are where: `{nodes, total_models, replicated_models, single_node_models}`',
        description: 'Whole and streamed, or in pages of `limit` nodes with `next_cursor`. With an ETag.',
        tags: ['catalog'],
        querystring: Type.Object({
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_MAX })),
          cursor: Type.Optional(Type.String()),
        }),
        response: {
          200: AvailabilityPageSchema,
          304: { description: 'As it was' },
          default: problemResponse,
        },
      },
    },
    async (request, reply) => {
      const etag = `"${epoch}-${availability.version}"`;
      void reply.headers({ etag, 'cache-control': 'no-cache' });
      if (isUnchanged(request.headers['if-none-match'], etag)) return reply.code(304).send();
      void reply.type('application/json; charset=utf-8');
      if (request.method === 'HEAD') return reply.send();
      sender.admit();
      reply.hijack();
      reply.raw.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders);
      await sender.send(reply.raw, (lend) => availability.chunks(request.query, lend));
      return reply;
    },
  );
}

function compareDigests(model: CatalogModel, nodes: Iterable<FleetNode>): Omit<CatalogVerificationDocument, 'id'> {
  const result = { matching: [] as string[], differing: [] as string[], unknown: [] as string[] };
  for (const node of nodes) {
    const digest = node.digests.get(model.id);
    const list = digest === undefined ? result.unknown : digest === model.digest ? result.matching : result.differing;
    list.push(node.id);
  }
  return result;
}

function missing(field: string): ShoalError {
  return new ShoalError('invalid', `${field} required`, {
    remedy: 'Send {"id": …, "digest": "sha256:…", "source_url": …}.',
    fields: { field },
  });
}
