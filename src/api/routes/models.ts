import type { Readable } from 'node:stream';
import Type from 'typebox';
import type { ModelView } from '../../flows/views.ts';
import { childController } from '../../util/deadline.ts';
import { ShoalError } from '../../util/errors.ts';
import { type App, problemResponse, type RouteParts } from '../app.ts';
import { modelListStream } from '../model-stream.ts';
import { ModelSchema, refTo, VerificationSchema, WantSchema } from '../schemas.ts';

const tags = ['models'];
const ID_MAX_LENGTH = 1_024;
const params = Type.Object({
  id: Type.String({ minLength: 1, description: 'Id or alias; slashes may stand as they are or as %2F' }),
});
const modelResponse = { 200: refTo(ModelSchema), default: problemResponse };

export function modelRoutes(app: App, { service, signal }: RouteParts): void {
  app.get(
    '/v1/models',
    {
      schema: {
        summary: 'The models of this node, or of the whole fleet and its origins',
        tags,
        querystring: Type.Object(
          {
            scope: Type.Optional(Type.Enum(['local', 'fleet'])),
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, description: 'All when absent' })),
            after: Type.Optional(Type.String({ description: 'Only ids behind this one; `next` of the page before' })),
          },
          { additionalProperties: false },
        ),
        response: {
          200: Type.Unsafe<Readable>(
            Type.Object({
              models: Type.Array(refTo(ModelSchema)),
              next: Type.Optional(Type.String({ description: 'Present when there are more' })),
            }),
          ),
          default: problemResponse,
        },
      },
    },
    (request, reply) => {
      const { scope = 'local', limit, after } = request.query;
      const page = pageOf(service.models(scope), limit, after);
      void reply.type('application/json; charset=utf-8').send(modelListStream(page.models, page.next));
    },
  );

  app.get('/v1/models/:id', { schema: { summary: 'One model', tags, params, response: modelResponse } }, (request) =>
    service.model(checkId(request.params.id)),
  );

  app.delete(
    '/v1/models/:id',
    {
      schema: {
        summary: 'Withdraw it everywhere, delete its files here, want it no more',
        tags,
        params,
        response: { 204: Type.Null(), default: problemResponse },
      },
    },
    async (request, reply) => {
      await service.remove(checkId(request.params.id));
      await reply.code(204).send(null);
    },
  );

  app.put(
    '/v1/models/:id/want',
    {
      schema: { summary: 'This node should have it', tags, params, body: refTo(WantSchema), response: modelResponse },
    },
    (request) => {
      const { priority = 'normal', digest } = request.body;
      const exact = digest === undefined ? {} : { digest: digest.startsWith('sha256:') ? digest : `sha256:${digest}` };
      return service.want(checkId(request.params.id), { priority, ...exact });
    },
  );

  app.delete(
    '/v1/models/:id/want',
    { schema: { summary: 'It need not have it (what is installed stays)', tags, params, response: modelResponse } },
    (request) => service.unwant(checkId(request.params.id)),
  );

  app.put(
    '/v1/models/:id/pin',
    { schema: { summary: 'It must keep it', tags, params, response: modelResponse } },
    (request) => service.pin(checkId(request.params.id)),
  );

  app.delete(
    '/v1/models/:id/pin',
    { schema: { summary: 'It may be removed again', tags, params, response: modelResponse } },
    (request) => service.unpin(checkId(request.params.id)),
  );

  app.post(
    '/v1/models/:id/verify',
    {
      config: { unhurried: true },
      schema: {
        summary: 'Read every byte again; answers when it is done',
        tags,
        params,
        response: { 200: refTo(VerificationSchema), default: problemResponse },
      },
    },
    async (request, reply) => {
      const id = checkId(request.params.id);
      const { controller, release } = childController(signal);
      // Nobody waits for the answer any more: the reading ends.
      reply.raw.once('close', () => controller.abort(new DOMException('the client went away', 'AbortError')));
      try {
        return await service.verify(id, controller.signal);
      } finally {
        release();
      }
    },
  );
}

function checkId(id: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (id.length > ID_MAX_LENGTH || /[\x00-\x1f\x7f]/.test(id)) {
    throw new ShoalError('invalid', 'this can be no model: its id is too long or holds control characters', {
      remedy: '"shoal ls --fleet" names the models.',
    });
  }
  return id;
}

function pageOf(
  models: readonly ModelView[],
  limit: number | undefined,
  after: string | undefined,
): { models: readonly ModelView[]; next: string | undefined } {
  if (limit === undefined && after === undefined) return { models, next: undefined };
  const behind = after === undefined ? [...models] : models.filter((model) => model.id > after);
  behind.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const page = limit === undefined ? behind : behind.slice(0, limit);
  return { models: page, next: page.length < behind.length ? page.at(-1)?.id : undefined };
}
