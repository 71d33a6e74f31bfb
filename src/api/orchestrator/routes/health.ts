import Type from 'typebox';
import type { App } from '../../app.ts';
import type { OrchestratorRouteParts } from '../orchestrator-app.ts';

/** Without a token, metrics included: that is what scrapers of these fleets expect. */
export function healthRoutes(app: App, { metrics, version }: OrchestratorRouteParts): void {
  const health = Type.Object({ status: Type.String(), version: Type.String() });

  for (const path of ['/healthz', '/health', '/readyz']) {
    app.get(
      path,
      {
        config: { open: true },
        schema: { summary: 'Does the process answer?', tags: ['health'], response: { 200: health } },
      },
      () => ({ status: 'ok', version }),
    );
  }

  app.get(
    '/metrics',
    {
      config: { open: true },
      schema: {
        summary: 'Metrics for Prometheus',
        tags: ['health'],
        response: { 200: { description: 'Metrics', content: { 'text/plain': { schema: Type.String() } } } },
      },
    },
    async (_request, reply) => {
      void reply.type(metrics.registry.contentType);
      return metrics.text();
    },
  );

  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}
