import type { FastifyReply, FastifyRequest } from 'fastify';
import { problemOf } from './problem.ts';
import { RefusalSchema } from './v2-schemas.ts';

/** What consumers of `/v2/catalog` know: `{"error": "…"}` and a status. */
export function answerRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { status, detail, remedy } = problemOf(error, request);
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="shoal"');
  const text = status === 404 ? 'not found' : remedy === undefined || status === 400 ? detail : `${detail}. ${remedy}`;
  reply.code(status).type('application/json; charset=utf-8').serializer(JSON.stringify).send({ error: text });
}

export const refusalResponse = {
  description: 'What is wrong',
  content: { 'application/json': { schema: RefusalSchema } },
} as const;
