import Type from 'typebox';
import type { App, RouteParts } from '../app.ts';

/** Without a token: probes and scrapers of the platform ask these (metrics do need it: they tell peers and models). */
export function healthRoutes(app: App, { service, version }: RouteParts): void {
  const health = (status: string) => Type.Object({ status: Type.Enum([status]), version: Type.String() });

  app.get(
    '/healthz',
    {
      config: { open: true },
      schema: { summary: 'Does the process answer?', tags: ['health'], response: { 200: health('ok') } },
    },
    () => ({ status: 'ok', version }),
  );

  app.get(
    '/readyz',
    {
      config: { open: true },
      schema: {
        summary: 'Does libp2p listen, and is the first scan done?',
        tags: ['health'],
        response: { 200: health('ready'), 503: health('starting') },
      },
    },
    (_request, reply) => {
      const ready = service.ready();
      reply.code(ready ? 200 : 503);
      return { status: ready ? 'ready' : 'starting', version };
    },
  );

  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Metrics for Prometheus',
        tags: ['health'],
        response: { 200: { description: 'Metrics', content: { 'text/plain': { schema: Type.String() } } } },
      },
    },
    async (_request, reply) => {
      void reply.type(service.metrics.registry.contentType);
      return service.metrics.text();
    },
  );

  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}
