import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import {
  AcceptedSchema,
  BeatenSchema,
  NodeChangeSchema,
  NodeListSchema,
  NodeSchema,
} from '../../../orchestrator/api-documents.ts';
import { HeartbeatSchema, RegistrationSchema } from '../../../orchestrator/documents.ts';
import { PERIOD_MS } from '../../../orchestrator/limits.ts';
import { HEARTBEAT_LIMITS } from '../../../util/heartbeat-limits.ts';
import { type App, problemResponse } from '../../app.ts';
import { BodyBudget } from '../body-budget.ts';
import { claimOf, type OrchestratorRouteParts } from '../orchestrator-app.ts';
import { presentNode } from '../present.ts';

/** What a node with many models in many pools needs; ten thousand models in one pool are a fifth of it. */
const HEARTBEAT_MAX_BYTES = HEARTBEAT_LIMITS.bodyBytes;
const LARGE_BODIES_MAX_BYTES = 64 * 2 ** 20;

const NodeId = Type.Object({ node_id: Type.String() });

/** The node protocol: whoever runs a pool comes in here. */
export function nodeRoutes(app: App, parts: OrchestratorRouteParts): void {
  const { registry } = parts.orchestrator;
  const claim = (request: FastifyRequest, nodeId: string) => claimOf(request, nodeId, parts.tokens);
  heartbeatRoute(app, parts);

  app.post(
    '/v2/nodes/register',
    {
      config: { nodes: true, errorShape: 'node' },
      schema: {
        summary: 'A node introduces itself: with each start, and when a heartbeat was answered with 404',
        tags: ['nodes'],
        body: RegistrationSchema,
        response: { 200: AcceptedSchema, default: problemResponse },
      },
    },
    async (request) => {
      const { node_id } = request.body;
      await registry.register(request.body, claim(request, node_id));
      return { success: true, message: 'registered', node_id };
    },
  );

  app.get(
    '/v2/nodes',
    {
      schema: {
        summary: 'The nodes that are online; with `all=true` every node that is registered',
        tags: ['nodes'],
        querystring: Type.Object({ all: Type.Optional(Type.Boolean()) }),
        response: { 200: NodeListSchema, default: problemResponse },
      },
    },
    (request) => {
      const all = request.query.all === true;
      const nodes = [...registry.nodes()].filter((node) => all || node.online).map(presentNode);
      nodes.sort((a, b) => (a.node_id < b.node_id ? -1 : 1));
      return { nodes, count: nodes.length };
    },
  );

  app.get(
    '/v2/nodes/:node_id',
    {
      schema: {
        summary: 'One node, online or not',
        tags: ['nodes'],
        params: NodeId,
        response: { 200: NodeSchema, default: problemResponse },
      },
    },
    (request) => presentNode(registry.get(request.params.node_id)),
  );

  app.patch(
    '/v2/nodes/:node_id',
    {
      schema: {
        summary: 'The operator takes a node out of placement, or ranks it; it stays so when the node comes back',
        tags: ['nodes'],
        params: NodeId,
        body: NodeChangeSchema,
        response: { 200: NodeSchema, default: problemResponse },
      },
    },
    async (request) => presentNode(await registry.change(request.params.node_id, request.body)),
  );

  app.delete(
    '/v2/nodes/:node_id',
    {
      config: { nodes: true, errorShape: 'node' },
      schema: {
        summary: 'A node says goodbye, or the operator releases its id for another machine',
        description: 'A token for everything may do it for every node; a token of a node only for that one.',
        tags: ['nodes'],
        params: NodeId,
        response: { 204: Type.Null(), default: problemResponse },
      },
    },
    async (request, reply) => {
      const { node_id } = request.params;
      // Whoever has a token for everything is the operator, also for nodes with tokens of their own.
      if (request.bearer?.kind === 'node') claim(request, node_id);
      if (!(await registry.remove(node_id))) registry.get(node_id);
      await reply.code(204).send(null);
    },
  );
}

function heartbeatRoute(app: App, parts: OrchestratorRouteParts): void {
  const { registry } = parts.orchestrator;
  const budget = new BodyBudget({ maxBytes: LARGE_BODIES_MAX_BYTES });
  const beats = parts.metrics.counter('shoal_orchestrator_heartbeats_total', 'Heartbeats, by what became of them', [
    'result',
  ]);
  app.post(
    '/v2/nodes/:node_id/heartbeat',
    {
      bodyLimit: HEARTBEAT_MAX_BYTES,
      // The handler is to know which node sent something wrong.
      attachValidation: true,
      config: { nodes: true, errorShape: 'node' },
      onRequest: (request, reply, done) => {
        reply.raw.once('close', budget.take(request.headers['content-length'], HEARTBEAT_MAX_BYTES));
        done();
      },
      schema: {
        summary: 'What a node can do now; a pool without `models_available` offers what the node offers',
        tags: ['nodes'],
        params: NodeId,
        body: HeartbeatSchema,
        response: { 200: BeatenSchema, default: problemResponse },
      },
    },
    (request) => {
      const { node_id } = request.params;
      const claim = claimOf(request, node_id, parts.tokens);
      if (request.validationError !== undefined) {
        registry.fault(node_id, claim);
        beats.inc({ result: 'invalid' });
        throw request.validationError;
      }
      try {
        registry.heartbeat(node_id, request.body, claim);
      } catch (error) {
        beats.inc({ result: 'refused' });
        throw error;
      }
      beats.inc({ result: 'accepted' });
      return { success: true, next_heartbeat_ms: PERIOD_MS };
    },
  );
}
