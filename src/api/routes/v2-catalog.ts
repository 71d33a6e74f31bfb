import Type from 'typebox';
import type { CatalogEntryView, CatalogState } from '../../flows/catalog-service.ts';
import { availabilityOf } from '../../orchestrator/availability.ts';
import { AvailabilitySchema } from '../../orchestrator/availability-documents.ts';
import { ShoalError } from '../../util/errors.ts';
import type { App, RouteParts } from '../app.ts';
import { answerRefusal, refusalResponse } from '../v2-refusal.ts';
import { CatalogEntrySchema, frozen, RegisterBodySchema, StateBodySchema } from '../v2-schemas.ts';

const tags = ['catalog'];
const errorHandler = answerRefusal;
const params = Type.Object({
  id: Type.String({ minLength: 1, description: 'Id, alias or registered id; slashes may stand as they are or as %2F' }),
});
const entry = frozen(CatalogEntrySchema);
const entryResponse = (status: number) => ({ [status]: entry, default: refusalResponse });

/** The catalog in the shapes of llama-orch, for the whole fleet, by every daemon. */
export function catalogRoutes(app: App, { service: { catalog } }: RouteParts): void {
  app.get(
    '/v2/catalog/models',
    {
      errorHandler,
      schema: {
        summary: 'Every model of the fleet, and what is registered here',
        tags,
        response: {
          200: Type.Object({
            models: Type.Unsafe<readonly CatalogEntryView[]>(Type.Array(entry)),
            count: Type.Integer(),
          }),
          default: refusalResponse,
        },
      },
    },
    () => {
      const models = catalog.list();
      return { models, count: models.length };
    },
  );

  app.post(
    '/v2/catalog/models',
    {
      errorHandler,
      schema: {
        summary: 'Have these bytes here under this name: from here, from the fleet, from source_url',
        tags,
        body: RegisterBodySchema,
        response: entryResponse(201),
      },
    },
    async (request, reply) => {
      const { id, digest, source_url: sourceUrl } = request.body;
      const changed = await catalog.register({
        id: required(id, 'id'),
        digest: required(digestText(digest), 'digest'),
        ...(sourceUrl === undefined || sourceUrl === null ? {} : { sourceUrl: required(sourceUrl, 'source_url') }),
      });
      await reply.code(201).send(changed);
    },
  );

  app.get(
    '/v2/catalog/models/:id',
    { errorHandler, schema: { summary: 'One model', tags, params, response: entryResponse(200) } },
    (request) => catalog.get(request.params.id),
  );

  app.delete(
    '/v2/catalog/models/:id',
    {
      errorHandler,
      config: { unhurried: true },
      schema: {
        summary: 'Withdraw it everywhere, then delete its files on this node',
        tags,
        params,
        response: { 204: Type.Null(), default: refusalResponse },
      },
    },
    async (request, reply) => {
      await catalog.remove(request.params.id);
      await reply.code(204).send(null);
    },
  );

  app.post(
    '/v2/catalog/models/:id/verify',
    {
      errorHandler,
      schema: { summary: 'Start to read every byte again', tags, params, response: entryResponse(202) },
    },
    async (request, reply) => {
      await reply.code(202).send(catalog.verify(request.params.id));
    },
  );

  app.post(
    '/v2/catalog/models/:id/state',
    {
      errorHandler,
      schema: {
        summary: 'A retired model is kept, and not reported any more once its deadline has passed',
        tags,
        params,
        body: StateBodySchema,
        response: entryResponse(202),
      },
    },
    async (request, reply) => {
      const { state, deadline_ms: deadline } = request.body;
      const changed = await catalog.setState(request.params.id, parseState(state), parseDeadline(deadline));
      await reply.code(202).send(changed);
    },
  );

  app.get(
    '/v2/catalog/availability',
    {
      errorHandler,
      schema: {
        summary: 'Which node of the fleet has which model',
        tags,
        response: { 200: frozen(AvailabilitySchema), default: refusalResponse },
      },
    },
    () => availabilityOf(catalog.members()),
  );
}

function required(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value;
  const isMissing = value === undefined || value === null || value === '';
  throw new ShoalError('invalid', isMissing ? `${name} required` : `${name} must be a string`);
}

/** Some catalogs write `{algo: "sha256", value: "<hex>"}`. */
function digestText(digest: unknown): unknown {
  if (typeof digest !== 'object' || digest === null) return digest;
  const { algo, value } = digest as { algo?: unknown; value?: unknown };
  return algo === 'sha256' ? value : undefined;
}

function parseState(state: unknown): CatalogState {
  if (state === 'Active' || state === 'Retired') return state;
  throw new ShoalError('invalid', 'state must be Active or Retired');
}

function parseDeadline(deadline: unknown): number | undefined {
  if (deadline === undefined || deadline === null) return undefined;
  if (typeof deadline === 'number' && Number.isSafeInteger(deadline) && deadline >= 0) return deadline;
  throw new ShoalError('invalid', 'deadline_ms must be a number of milliseconds');
}
