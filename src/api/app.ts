import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { NodeService } from '../flows/node-service.ts';
import { ProblemSchema, refTo } from './schemas.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without a token. */
    open?: boolean;
    /** May take as long as it needs: the idle limit of connections does not hold. */
    unhurried?: boolean;
  }
}

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface RouteParts {
  readonly service: NodeService;
  readonly version: string;
  /** Fires when the API closes. */
  readonly signal: AbortSignal;
}

/** Every route can answer with a problem. */
export const problemResponse = {
  description: 'A problem document (RFC 9457)',
  content: { 'application/problem+json': { schema: refTo(ProblemSchema) } },
} as const;
