import Type from 'typebox';
import type { FleetViewer } from '../../flows/fleet-view.ts';
import { type App, problemResponse, type RouteParts } from '../app.ts';
import { isUnchanged } from '../etag.ts';
import { FleetNodesSchema, FleetSchema, fleetSchemas, PieceMapSchema } from '../fleet-schemas.ts';
import { refTo } from '../schemas.ts';

const tags = ['fleet'];

/** What a daemon and an orchestrator answer alike. */
export function fleetRoutes(app: App, { fleet }: { readonly fleet: FleetViewer }): void {
  for (const schema of fleetSchemas) app.addSchema(schema);

  app.get(
    '/v1/fleet',
    {
      schema: {
        summary: 'Which model is where; carries an ETag and answers 304 while nothing has changed',
        tags,
        response: {
          200: refTo(FleetSchema),
          304: Type.Null({ description: 'As before, but for progress and ages' }),
          default: problemResponse,
        },
      },
    },
    async (request, reply) => {
      const etag = etagOf(fleet.revision());
      if (isUnchanged(request.headers['if-none-match'], etag)) return reply.code(304).header('etag', etag).send(null);
      const document = await fleet.fleet();
      return reply.header('etag', etagOf(document.revision)).send(document);
    },
  );

  app.get(
    '/v1/fleet/nodes',
    {
      schema: {
        summary: 'The nodes alone, with progress and ages, in the order of that revision of `/v1/fleet`',
        tags,
        response: { 200: refTo(FleetNodesSchema), default: problemResponse },
      },
    },
    () => fleet.nodes(),
  );
}

/** Only a daemon knows pieces. */
export function pieceMapRoutes(app: App, { service }: Pick<RouteParts, 'service'>): void {
  app.get(
    '/v1/pieces',
    {
      schema: {
        summary: "Which pieces of a model's files are here, of those that are on their way",
        tags,
        querystring: Type.Object(
          { model: Type.String({ minLength: 1, maxLength: 1_024, description: 'Id or alias' }) },
          { additionalProperties: false },
        ),
        response: { 200: Type.Object({ files: Type.Array(refTo(PieceMapSchema)) }), default: problemResponse },
      },
    },
    (request) => ({ files: service.fleet.pieceMaps(request.query.model) }),
  );
}

/** Weak: ages and progress may differ. */
function etagOf(revision: string): string {
  return `W/"${revision}"`;
}
