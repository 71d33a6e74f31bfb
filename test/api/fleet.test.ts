import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fleet, FleetNodes } from '../../src/api/fleet-schemas.ts';
import { serve } from './api-fixture.ts';

test('the fleet carries a version, and is not sent again while that is the same', async (t) => {
  const { node, request } = await serve(t);
  const first = await request('/v1/fleet');
  const etag = first.headers.get('etag') ?? '';
  assert.match(etag, /^W\/"/);
  const document = (await first.json()) as Fleet;
  assert.equal(document.kind, 'daemon');
  assert.equal(document.installed.length, document.nodes.length);
  const same = await request('/v1/fleet', { headers: { 'if-none-match': etag } });
  assert.equal(same.status, 304);
  assert.equal(await same.text(), '');
  // What a proxy that compresses makes of it, and what a cache with several versions asks.
  for (const tags of [etag.replace('W/', ''), `"other", ${etag}`, '*']) {
    assert.equal((await request('/v1/fleet', { headers: { 'if-none-match': tags } })).status, 304, tags);
  }
  node.fleet.change(document.nodes, { models: [{ id: 'x.gguf' }], installed: ['gA=='] });
  const changed = await request('/v1/fleet', { headers: { 'if-none-match': etag } });
  assert.equal(changed.status, 200);
  assert.equal(((await changed.json()) as Fleet).models.length, 1);
});

test('the nodes alone name the version that their indices belong to', async (t) => {
  const { node, request } = await serve(t);
  const { revision, nodes } = (await (await request('/v1/fleet/nodes')).json()) as FleetNodes;
  assert.equal(revision, node.fleet.revision());
  assert.deepEqual(nodes, node.fleet.view.nodes);
});

test('piece maps are asked for by model', async (t) => {
  const { request } = await serve(t);
  assert.deepEqual(await (await request('/v1/pieces?model=x')).json(), { files: [] });
  assert.equal((await request('/v1/pieces')).status, 400);
});
