import Type from 'typebox';
import { childController } from '../../util/deadline.ts';
import type { App, RouteParts } from '../app.ts';
import { answerFullRefusal, refusalResponse } from '../v2-refusal.ts';
import { PreloadBodySchema } from '../v2-schemas.ts';

/** What a pool manager is asked; this node does its part first, which is to have the model. */
export function poolRoutes(app: App, { service, signal }: RouteParts): void {
  app.post(
    '/pools/:id/preload',
    {
      errorHandler: answerFullRefusal,
      config: { unhurried: true },
      schema: {
        summary: 'Fetch the model ahead of others and keep it; then the pool manager, if there is one, gets the order',
        tags: ['pools'],
        params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 256 }) }),
        body: PreloadBodySchema,
        response: {
          200: Type.Object({}, { additionalProperties: true, description: 'It is here; or what the manager answered' }),
          202: Type.Object({}, { additionalProperties: true, description: 'It is on its way' }),
          default: refusalResponse,
        },
      },
    },
    async (request, reply) => {
      const { controller, release } = childController(signal);
      reply.raw.once('close', () => controller.abort(new DOMException('the client went away', 'AbortError')));
      try {
        const { status, body } = await service.preload(request.params.id, request.body, controller.signal);
        await reply.code(status as 200).send(body as object);
      } finally {
        release();
      }
    },
  );
}
