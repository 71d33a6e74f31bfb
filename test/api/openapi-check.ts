import assert from 'node:assert/strict';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

interface Media {
  readonly schema?: Schema;
  readonly example?: unknown;
}

export interface Operation {
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, Media>> }>
  >;
}

export interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

type Schema = { readonly [member: string]: unknown };

/** Holds what a server really answers against what its OpenAPI document says. */
export class OpenApiCheck {
  readonly document: OpenApi;
  readonly #checks = new Map<Schema, (value: unknown) => string | undefined>();

  constructor(document: OpenApi) {
    this.document = document;
  }

  /** A whole answer: its route, its status and its body are described. */
  async answer(method: string, url: string, response: Response): Promise<void> {
    const found = this.#operation(method, new URL(url, 'http://x').pathname);
    if (found === undefined) return; // what is no route is answered with a problem
    const where = `${method} ${found.path} → ${response.status}`;
    const described = found.operation.responses[String(response.status)] ?? found.operation.responses['default'];
    assert.ok(described !== undefined, `${where} is not described`);
    const type = (response.headers.get('content-type') ?? '').split(';', 1)[0] ?? '';
    if (!type.endsWith('json') || response.status === 304) return;
    const media = described.content?.[type] ?? found.operation.responses['default']?.content?.[type];
    assert.ok(media?.schema !== undefined, `${where}: ${type} is not described`);
    // A problem may carry facts beside its own members.
    this.value(where, media.schema, await response.json(), { exact: type === 'application/json' });
  }

  value(where: string, schema: Schema, value: unknown, options: { readonly exact: boolean }): void {
    const check = this.#checks.get(schema) ?? this.#compile(schema, options.exact);
    this.#checks.set(schema, check);
    const problem = check(value);
    assert.equal(problem, undefined, `${where}: ${problem}\n${JSON.stringify(value).slice(0, 400)}`);
  }

  #compile(schema: Schema, isExact: boolean): (value: unknown) => string | undefined {
    const validator = Compile(this.#whole(schema, isExact) as TSchema);
    return (value) => {
      if (validator.Check(value)) return undefined;
      const [first] = validator.Errors(value);
      return `${first?.instancePath ?? ''} ${first?.message ?? 'does not fit'}`;
    };
  }

  /** References replaced by what they mean; with `isExact` members that are not named are not there. */
  #whole(schema: unknown, isExact: boolean): unknown {
    if (Array.isArray(schema)) return schema.map((one) => this.#whole(one, isExact));
    if (typeof schema !== 'object' || schema === null) return schema;
    const { $ref: reference, ...rest } = schema as Schema;
    if (typeof reference === 'string') {
      return this.#whole(this.document.components.schemas[reference.split('/').at(-1) ?? ''], isExact);
    }
    const whole = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, this.#whole(value, isExact)]));
    const isClosed = isExact && whole['type'] === 'object' && whole['properties'] !== undefined;
    return isClosed ? { additionalProperties: false, ...whole } : whole;
  }

  #operation(method: string, pathname: string): { path: string; operation: Operation } | undefined {
    const found = Object.entries(this.document.paths).flatMap(([path, operations]) => {
      const operation = operations[method.toLowerCase()];
      const pattern = new RegExp(`^${path.replace(/\{id\}/g, '.+?').replace(/\{\w+\}/g, '[^/]+')}$`);
      return operation !== undefined && pattern.test(pathname) ? [{ path, operation }] : [];
    });
    // The most particular: `/v1/models/{id}/want` before `/v1/models/{id}`.
    return found.sort((a, b) => b.path.replace(/\{\w+\}/g, '').length - a.path.replace(/\{\w+\}/g, '').length)[0];
  }
}

/** Every answer that a test gets is held against the document as well. */
export function checkedFetch(
  url: string,
  authorization: Readonly<Record<string, string>> = {},
): (path: string, init?: RequestInit) => Promise<Response> {
  let check: Promise<OpenApiCheck | undefined> | undefined;
  const read = async (): Promise<OpenApiCheck | undefined> => {
    // A test may have closed the server by now, or ask without a token.
    const response = await fetch(`${url}/openapi.json`, { headers: authorization }).catch(() => undefined);
    return response?.ok === true ? new OpenApiCheck((await response.json()) as OpenApi) : undefined;
  };
  return async (path, init) => {
    const response = await fetch(url + path, init);
    if (response.headers.get('content-type')?.includes('json') !== true || path.startsWith('/openapi')) return response;
    check ??= read();
    await (await check)?.answer(init?.method ?? 'GET', path, response.clone());
    return response;
  };
}
