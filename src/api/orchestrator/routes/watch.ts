import Type from 'typebox';
import { type App, problemResponse } from '../../app.ts';
import { securityHeaders } from '../../guard.ts';
import type { OrchestratorRouteParts } from '../orchestrator-app.ts';

/** For those who look on. */
export function watchRoutes(app: App, { events }: OrchestratorRouteParts): void {
  app.get(
    '/v1/events',
    {
      exposeHeadRoute: false,
      config: { unhurried: true },
      schema: {
        summary: 'Server-sent events `node`: whose state, pools or models have changed; no replay',
        tags: ['watch'],
        response: {
          200: { description: 'Events', content: { 'text/event-stream': { schema: Type.String() } } },
          default: problemResponse,
        },
      },
    },
    (request, reply) => {
      events.admit();
      reply.hijack();
      events.add(reply.raw, { ...securityHeaders, 'x-correlation-id': request.id });
    },
  );
}
