import type { FastifyRequest } from 'fastify';
import type { AvailabilityStream } from '../../orchestrator/availability-stream.ts';
import type { Claim } from '../../orchestrator/identity.ts';
import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import type { Bearer, TokenTable } from '../../orchestrator/token-table.ts';
import type { Clock } from '../../util/clock.ts';
import type { Metrics } from '../../util/metrics.ts';
import { RequestError } from '../problem.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A node's own token will do. */
    nodes?: boolean;
    /** Errors carry what other orchestrators answer with. */
    errorShape?: 'node' | 'catalog';
  }
  interface FastifyRequest {
    /** Whose token it brought; undefined where no token is asked for. */
    bearer?: Bearer;
  }
}

export interface OrchestratorRouteParts {
  readonly orchestrator: Orchestrator;
  readonly availability: AvailabilityStream;
  readonly tokens: TokenTable | undefined;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly version: string;
  /** Fires when the API closes. */
  readonly signal: AbortSignal;
}

/**
 * In whose name a request speaks.
 * @throws RequestError `forbidden-node` when its token may not speak for this node
 */
export function claimOf(request: FastifyRequest, nodeId: string, tokens: TokenTable | undefined): Claim {
  const { bearer } = request;
  const isOwn = bearer?.kind === 'node' && bearer.nodeId === nodeId;
  if (bearer?.kind === 'node' && !isOwn) throw forbidden(`this token speaks for "${bearer.nodeId}" only`);
  if (!isOwn && tokens?.isNodeBound(nodeId) === true) throw forbidden(`"${nodeId}" has a token of its own`);
  return { source: request.ip.replace(/^::ffff:/, ''), proven: isOwn };
}

export function forbidden(why: string): RequestError {
  return new RequestError(403, 'forbidden-node', why, 'Use the token that the token file of the orchestrator names.');
}
