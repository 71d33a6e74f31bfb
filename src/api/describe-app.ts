import swagger from '@fastify/swagger';
import type { App } from './app.ts';
import type { Examples } from './examples.ts';

interface Media {
  example?: unknown;
}

interface Operation {
  readonly parameters?: readonly { readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Record<string, { readonly content?: Readonly<Record<string, Media>> }>;
  readonly security?: readonly unknown[];
}

interface Described {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** Refusals that a route has because of what it takes, beside those that it names itself. */
const REFUSALS = {
  400: 'What was sent is not right: the document names the place',
  401: 'A token is missing or wrong',
  404: 'Nobody knows it',
  503: 'Busy, or about to end: again later',
} as const;

/** The OpenAPI document: every route with its statuses, what it is asked and what it answers. */
export async function describe(
  app: App,
  about: { readonly title: string; readonly description: string; readonly version: string },
  examples: Examples,
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: about,
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    refResolver: { buildLocalReference: (json) => json['$id'] as string },
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject;
      complete(document.openapiObject as Described, examples);
      return document.openapiObject;
    },
  });
}

function complete({ paths = {} }: Described, examples: Examples): void {
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      nameRefusals(operation);
      const { body, answer } = examples[`${method.toUpperCase()} ${path}`] ?? {};
      const asked = operation.requestBody?.content['application/json'];
      if (asked !== undefined && body !== undefined) asked.example = body;
      const [, done] = Object.entries(operation.responses).find(([status]) => status.startsWith('2')) ?? [];
      const answered = done?.content?.['application/json'];
      if (answered !== undefined && answer !== undefined) answered.example = answer;
    }
  }
}

/** `default` says the form of all refusals; these say which of them there are. */
function nameRefusals({ parameters = [], requestBody, responses }: Operation): void {
  const refusal = responses['default'];
  if (refusal === undefined) return;
  const applies: Readonly<Record<keyof typeof REFUSALS, boolean>> = {
    400: requestBody !== undefined || parameters.some((parameter) => parameter.in === 'query'),
    401: true,
    404: parameters.some((parameter) => parameter.in === 'path'),
    503: true,
  };
  for (const [status, description] of Object.entries(REFUSALS)) {
    if (applies[Number(status) as keyof typeof REFUSALS]) responses[status] ??= { ...refusal, description } as never;
  }
}
