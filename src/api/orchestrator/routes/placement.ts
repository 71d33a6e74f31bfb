import type { FastifyReply } from 'fastify';
import Type from 'typebox';
import {
  LeaseListSchema,
  LeaseRequestSchema,
  LeaseSchema,
  NoPlacementSchema,
  type PlacementRequest,
  PlacementRequestSchema,
  PlacementSchema,
  TookMsSchema,
} from '../../../orchestrator/api-documents.ts';
import type { NoPlacement, PlacementWish } from '../../../orchestrator/orchestrator.ts';
import { ShoalError } from '../../../util/errors.ts';
import { type App, problemResponse } from '../../app.ts';
import type { OrchestratorRouteParts } from '../orchestrator-app.ts';
import { presentLease, presentNoPlacement, presentPlacement } from '../present.ts';

const USUAL_CANDIDATES = 3;
/** Longer than it takes to hand a task over, shorter than anybody minds an empty slot. */
const USUAL_LEASE_MS = 10_000;

export function placementRoutes(app: App, { orchestrator, metrics, clock, signal }: OrchestratorRouteParts): void {
  const placements = metrics.counter('shoal_orchestrator_placements_total', 'Placements, by how they ended', [
    'result',
  ]);

  app.post(
    '/v2/placement',
    {
      config: { unhurried: true },
      schema: {
        summary: 'Where a task can run now, best first; 409 tells why nowhere, and where it could run soonest',
        tags: ['placement'],
        body: PlacementRequestSchema,
        response: {
          200: PlacementSchema,
          409: {
            description: 'No pool takes it',
            content: { 'application/problem+json': { schema: NoPlacementSchema } },
          },
          default: problemResponse,
        },
      },
    },
    async (request, reply) => {
      const wish = wishOf(request.body);
      const startMs = clock.monotonic();
      const placement = await orchestrator.place(wish, wish.maxWaitMs === 0 ? signal : untilGone(reply, signal));
      placements.inc({ result: placement === undefined ? 'refused' : 'placed' });
      if (placement === undefined) throw noCandidate(wish, orchestrator.whyNot(wish));
      return presentPlacement(placement, { strategy: wish.strategy, waitedMs: clock.monotonic() - startMs });
    },
  );

  app.get(
    '/v2/leases',
    {
      schema: {
        summary: 'The slots that are promised, those that end first first',
        tags: ['placement'],
        response: { 200: LeaseListSchema, default: problemResponse },
      },
    },
    () => ({ leases: orchestrator.leases.list().map(presentLease) }),
  );

  app.post(
    '/v2/leases',
    {
      schema: {
        summary: 'Take a slot of a certain pool, say the second candidate after the first has refused',
        tags: ['placement'],
        body: LeaseRequestSchema,
        response: { 201: LeaseSchema, default: problemResponse },
      },
    },
    (request, reply) => {
      const { node_id, pool_id, lease_ms = USUAL_LEASE_MS } = request.body;
      reply.code(201);
      return presentLease(orchestrator.lease(node_id, pool_id, lease_ms));
    },
  );

  app.delete(
    '/v2/leases/:lease_id',
    {
      schema: {
        summary: 'The work has ended or will not begin; `took_ms` teaches the strategy `fastest-completion`',
        tags: ['placement'],
        params: Type.Object({ lease_id: Type.String() }),
        querystring: Type.Object({ took_ms: Type.Optional(TookMsSchema) }),
        response: { 204: Type.Null(), default: problemResponse },
      },
    },
    async (request, reply) => {
      if (!orchestrator.leases.release(request.params.lease_id, request.query.took_ms)) {
        throw new ShoalError('not-found', 'there is no such lease', {
          remedy: 'It has run out or been released: nothing needs to be done.',
        });
      }
      await reply.code(204).send(null);
    },
  );
}

/** @throws ShoalError `invalid` for fields that do not go together */
function wishOf(body: PlacementRequest): PlacementWish {
  const models = [...new Set([...(body.model === undefined ? [] : [body.model]), ...(body.models ?? [])])];
  if (body.digest !== undefined && models.length !== 1) {
    throw new ShoalError('invalid', 'body.digest goes with exactly one model', {
      remedy: 'Name one model, or leave the digest out.',
      fields: { field: 'digest' },
    });
  }
  return {
    models,
    strategy: body.strategy ?? 'least-loaded',
    count: body.count ?? USUAL_CANDIDATES,
    exclude: body.exclude ?? [],
    maxWaitMs: body.max_wait_ms ?? 0,
    ...(body.digest === undefined ? {} : { digest: body.digest.replace(/^(sha256:)?/, 'sha256:') }),
    ...(body.lease_ms === undefined ? {} : { leaseMs: body.lease_ms }),
    ...(body.seed === undefined ? {} : { seed: body.seed }),
  };
}

/** A caller that has hung up waits for nothing. */
function untilGone(reply: FastifyReply, closing: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const onClosing = (): void => gone.abort(closing.reason);
  if (closing.aborted) onClosing();
  closing.addEventListener('abort', onClosing, { once: true });
  reply.raw.once('close', () => {
    closing.removeEventListener('abort', onClosing);
    gone.abort(new DOMException('the caller is gone', 'AbortError'));
  });
  return gone.signal;
}

/** @returns the 409, its facts beside the members that every problem document has */
function noCandidate(wish: PlacementWish, why: NoPlacement): ShoalError {
  const what = wish.models.length === 0 ? 'this task' : wish.models.join(' and ').slice(0, 300);
  const counted = Object.entries(why.counts).map(([reason, count]) => `${count} ${reason}`);
  const fields = presentNoPlacement(why);
  const { soonest } = fields;
  const remedy =
    soonest === null
      ? 'Put what is missing on a node with a free slot, or ask with max_wait_ms.'
      : `"${soonest.node_id}" could run it in about ${soonest.in_ms} ms: ask with max_wait_ms.`;
  const message = `no pool takes ${what} now: ${counted.join(', ') || 'no pool is known'}`;
  return new ShoalError('conflict', message, { remedy, fields });
}
