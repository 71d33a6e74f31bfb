import type { FastifyReply, FastifyRequest } from 'fastify';
import { problemOf } from './problem.ts';
import { RefusalSchema } from './v2-schemas.ts';

/** What consumers of `/v2/catalog` know: `{"error": "…"}` and a status. */
export function answerRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  answer(error, request, reply, ({ status, text }) => (status === 404 ? 'not found' : text));
}

/** Where more than one thing can be unknown, this says which. */
export function answerFullRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  answer(error, request, reply, ({ text }) => text);
}

function answer(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  say: (refusal: { readonly status: number; readonly text: string }) => string,
): void {
  const { status, detail, remedy } = problemOf(error, request);
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="shoal"');
  const text = say({ status, text: remedy === undefined || status === 400 ? detail : `${detail}. ${remedy}` });
  reply.code(status).type('application/json; charset=utf-8').serializer(JSON.stringify).send({ error: text });
}

export const refusalResponse = {
  description: 'What is wrong',
  content: { 'application/json': { schema: RefusalSchema } },
} as const;
