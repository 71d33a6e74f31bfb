import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { availabilityOf } from '../../src/orchestrator/availability.ts';
import { AvailabilityStream } from '../../src/orchestrator/availability-stream.ts';
import { gather } from '../../src/orchestrator/gather.ts';
import { serveOrchestrator } from './api-fixture.ts';
import { TestFleet } from './fleet-fixture.ts';

test('parts of any size and script become full chunks, and nothing is lost between them', () => {
  const part = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'é', '模', '𝄞'), maxLength: 30 }),
    fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.integer({ min: 1, max: 50 }), (parts, size) => {
      const chunks: Buffer[] = [];
      const memory = Buffer.alloc(size);
      for (const chunk of gather(parts, () => memory)) chunks.push(Buffer.from(chunk));
      const whole = Buffer.concat(parts.map((one) => (typeof one === 'string' ? Buffer.from(one) : one)));
      assert.deepEqual(Buffer.concat(chunks), whole);
      assert.ok(chunks.slice(0, -1).every(({ length }) => length === size));
    }),
    { numRuns: 60 },
  );
});

test('the stream says what the document says, also of names beyond ASCII, of empty nodes and of silent ones', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('silent');
  await fleet.clock.advance(30_001);
  await fleet.join('"quoted" ü', [{ models_available: ['模型/é.gguf', '𝄞'] }, { ready: false }]);
  await fleet.join('idle', []);
  const stream = new AvailabilityStream({ registry: fleet.registry });
  const text = Buffer.concat([...stream.chunks({}, () => Buffer.alloc(7))]).toString();
  const nodes = [...fleet.registry.nodes()].map((node) => ({
    ...{ nodeId: node.id, address: node.address, online: node.online, models: node.models.names },
    pools: [...node.pools.values()].map(({ poolId, ready, models }) => ({ poolId, ready, models: models.names })),
  }));
  assert.equal(text, JSON.stringify(availabilityOf(nodes)));
  const empty = new AvailabilityStream({ registry: (await TestFleet.open()).registry });
  assert.deepEqual(JSON.parse(Buffer.concat([...empty.chunks({}, () => Buffer.alloc(64))]).toString()), {
    ...{ nodes: {}, total_models: 0, replicated_models: [], single_node_models: [] },
  });
});

test('HEAD tells the tag and sends nothing', async (t) => {
  const { fleet, request } = await serveOrchestrator(t);
  await fleet.join('n');
  const answer = await request('/v2/catalog/availability', { method: 'HEAD' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('etag'), (await request('/v2/catalog/availability')).headers.get('etag'));
  assert.equal(await answer.text(), '');
});
