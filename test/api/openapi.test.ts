import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serveOrchestrator } from '../orchestrator/api-fixture.ts';
import { serve } from './api-fixture.ts';
import { type OpenApi, OpenApiCheck } from './openapi-check.ts';

/** Every route of the contract, with its methods. */
const CONTRACT: Readonly<Record<string, readonly string[]>> = {
  '/healthz': ['get'],
  '/readyz': ['get'],
  '/metrics': ['get'],
  '/v1/node': ['get'],
  '/v1/models': ['get'],
  '/v1/models/{id}': ['get', 'delete'],
  '/v1/models/{id}/want': ['put', 'delete'],
  '/v1/models/{id}/pin': ['put', 'delete'],
  '/v1/models/{id}/verify': ['post'],
  '/v1/transfers': ['get'],
  '/v1/peers': ['get'],
  '/v1/origins': ['get'],
  '/v1/doctor': ['get'],
  '/v1/rescan': ['post'],
  '/v1/events': ['get'],
  '/v1/fleet': ['get'],
  '/v1/fleet/nodes': ['get'],
  '/v1/pieces': ['get'],
  '/v2/catalog/models': ['get', 'post'],
  '/v2/catalog/models/{id}': ['get', 'delete'],
  '/v2/catalog/models/{id}/verify': ['post'],
  '/v2/catalog/models/{id}/state': ['post'],
  '/v2/catalog/availability': ['get'],
  '/pools/{id}/preload': ['post'],
};

test('the OpenAPI document describes every route, and every reference in it leads somewhere', async (t) => {
  const { request } = await serve(t);
  const document = (await (await request('/openapi.json')).json()) as OpenApi;
  assert.equal(document.openapi, '3.1.0');
  assert.equal(document.info.version, '0.1.0');
  const described = Object.fromEntries(
    Object.entries(document.paths).map(([path, operations]) => [path, Object.keys(operations).sort()]),
  );
  const expected = Object.fromEntries(Object.entries(CONTRACT).map(([path, methods]) => [path, [...methods].sort()]));
  assert.deepEqual(described, expected);
  const schemas = Object.keys(document.components.schemas);
  for (const name of ['Model', 'Node', 'Transfer', 'Peer', 'Origin', 'Problem'])
    assert.ok(schemas.includes(name), name);
  const references = JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g);
  let count = 0;
  for (const [, reference = ''] of references) {
    assert.ok(schemas.includes(reference.replace('#/components/schemas/', '')), `${reference} leads nowhere`);
    count += 1;
  }
  assert.ok(count > 20);
});

test('every operation says what it does, and names every parameter of its path', async (t) => {
  const { request } = await serve(t);
  const { paths } = (await (await request('/openapi.json')).json()) as OpenApi;
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const where = `${method} ${path}`;
      assert.ok(operation.summary !== undefined, `${where} has no summary`);
      const codes = Object.keys(operation.responses);
      assert.ok(
        codes.some((code) => /^2/.test(code)),
        where,
      );
      assert.ok(
        codes.every((code) => /^([1-5](XX|\d\d)|default)$/.test(code)),
        `${where}: ${codes.join(' ')}`,
      );
      for (const response of Object.values(operation.responses)) assert.equal(typeof response.description, 'string');
      const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      assert.deepEqual(
        declared.map(({ name }) => name),
        wanted,
        where,
      );
      assert.ok(
        declared.every(({ required }) => required === true),
        where,
      );
    }
  }
});

test('every route has its statuses, and what it is asked and answers as an example that is right', async (t) => {
  for (const { request } of [await serve(t), await serveOrchestrator(t)]) {
    const document = (await (await request('/openapi.json')).json()) as OpenApi;
    const check = new OpenApiCheck(document);
    const lacking: string[] = [];
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, { parameters = [], requestBody, responses }] of Object.entries(operations)) {
        const where = `${method} ${path}`;
        const isOpen = responses['default'] === undefined; // health and metrics
        if (!isOpen && responses['401'] === undefined) lacking.push(`${where}: 401`);
        const hasId = parameters.some((parameter) => parameter.in === 'path');
        if (!isOpen && hasId && responses['404'] === undefined) lacking.push(`${where}: 404`);
        const asked = requestBody?.content['application/json'];
        if (asked !== undefined && asked.example === undefined) lacking.push(`${where}: no example of what is sent`);
        const answers = Object.values(responses).flatMap(({ content }) => content?.['application/json'] ?? []);
        for (const { schema, example } of [...(asked === undefined ? [] : [asked]), ...answers]) {
          if (schema !== undefined && example !== undefined) check.value(where, schema, example, { exact: true });
        }
      }
    }
    assert.deepEqual(lacking, []);
    const examples = JSON.stringify(document).match(/"example":/g) ?? [];
    assert.ok(examples.length > 10, `${examples.length} examples`);
  }
});

test('an answer with a member too many, too few or of another form does not pass for what is described', async (t) => {
  const { request } = await serve(t);
  const check = new OpenApiCheck((await (await request('/openapi.json')).json()) as OpenApi);
  const answer = (body: unknown) => check.answer('GET', '/v2/catalog/availability', Response.json(body));
  const right = { nodes: {}, total_models: 0, replicated_models: [], single_node_models: [] };
  await answer(right);
  await assert.rejects(answer({ ...right, extra: 1 }));
  await assert.rejects(answer({ ...right, total_models: 'none' }));
  await assert.rejects(answer({ nodes: {} }));
});
