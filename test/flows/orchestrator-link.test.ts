import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { availableNames, type HeartbeatDocument, heartbeatDocument } from '../../src/flows/heartbeat-documents.ts';
import { OrchestratorLink } from '../../src/flows/orchestrator-link.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { seededRandom } from '../../src/util/random.ts';

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
  readonly at: number;
}

type Reply = { status: number; body?: unknown; headers?: Record<string, string>; delayMs?: number };

/** A real HTTP server whose answers a test chooses; it records what it was sent. */
async function orchestrator(reply: (seen: Seen, all: Seen[]) => Reply): Promise<{
  server: Server;
  url: string;
  seen: Seen[];
  until: (found: (seen: Seen[]) => boolean, ms?: number) => Promise<void>;
}> {
  const seen: Seen[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const one: Seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      authorization: request.headers.authorization,
      body: text === '' ? undefined : JSON.parse(text),
      at: performance.now(),
    };
    seen.push(one);
    const chosen = reply(one, seen);
    if (chosen.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, chosen.delayMs));
    response.writeHead(chosen.status, { 'content-type': 'application/json', ...chosen.headers });
    response.end(chosen.body === undefined ? '' : JSON.stringify(chosen.body));
  };
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const until = async (found: (all: Seen[]) => boolean, ms = 5000): Promise<void> => {
    const end = performance.now() + ms;
    while (!found(seen)) {
      assert.ok(performance.now() < end, `not seen within ${ms} ms: ${JSON.stringify(seen)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/prefix`, seen, until };
}

function link(url: string, state: { available: string[] }, token?: string): OrchestratorLink {
  return new OrchestratorLink(
    { url, periodMs: 10_000 },
    {
      token: () => Promise.resolve(token),
      registration: () => ({
        node_id: 'gpu-1',
        machine_id: 'm',
        address: 'http://127.0.0.1:7420',
        pools: ['gpu-1'],
        capabilities: { gpus: [], cpu_cores: 2, ram_total_bytes: 1 },
        version: '0.0.0',
      }),
      heartbeat: () =>
        heartbeatDocument({
          now: Date.now(),
          ready: true,
          pools: [{ id: 'gpu-1', ready: true, draining: false, slotsTotal: 1, slotsFree: 1, vramFreeBytes: 0 }],
          available: state.available,
          incoming: [],
        }),
      clock: systemClock,
      random: seededRandom(1),
      log: silentLog,
      connected: OrchestratorLink.gauge(new Metrics()),
    },
  );
}

const beats = (seen: Seen[]): Seen[] => seen.filter((one) => one.path.endsWith('/heartbeat'));
const available = (one: Seen | undefined): readonly string[] | undefined =>
  (one?.body as HeartbeatDocument | undefined)?.models_available;

async function running(
  it: OrchestratorLink,
  server: Server,
  work: (controller: AbortController) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const run = it.run(controller.signal);
  try {
    await work(controller);
  } finally {
    controller.abort();
    await run;
    server.closeAllConnections();
    server.close();
  }
}

test('a node registers, then a change is reported within 200 ms with the bearer token', async () => {
  const { server, url, seen, until } = await orchestrator(() => ({ status: 200, body: { next_heartbeat_ms: 10_000 } }));
  const state = { available: ['a'] };
  const it = link(url, state, 'secret');
  await running(it, server, async () => {
    await until((all) => beats(all).length === 1);
    assert.equal(seen[0]?.path, '/prefix/v2/nodes/register');
    assert.deepEqual((seen[0].body as { capabilities: { gpus: unknown } }).capabilities.gpus, []);
    state.available = ['a', 'b'];
    const changedAt = performance.now();
    it.notify();
    await until((all) => beats(all).length === 2);
    assert.ok((beats(seen)[1]?.at ?? Infinity) - changedAt < 200);
    assert.deepEqual(available(beats(seen)[1]), ['a', 'b']);
    assert.ok(seen.every((one) => one.authorization === 'Bearer secret'));
  });
  assert.equal(seen.at(-1)?.method, 'DELETE', 'a daemon that ends says so');
});

test('an orchestrator that has forgotten the node is registered with again', async () => {
  let forgotten = true;
  const { server, url, seen, until } = await orchestrator((one) => {
    if (one.path.endsWith('/register')) return { status: 200, body: {} };
    if (forgotten) {
      forgotten = false;
      return { status: 404 };
    }
    return { status: 200, body: {} };
  });
  await running(link(url, { available: [] }), server, async () => {
    await until((all) => beats(all).length === 2);
    assert.deepEqual(
      seen.map((one) => one.path.split('/').at(-1)),
      ['register', 'heartbeat', 'register', 'heartbeat'],
    );
  });
});

test('after an outage only the newest state is sent, and Retry-After is honoured', async () => {
  let failing = true;
  const { server, url, seen, until } = await orchestrator(() => {
    if (!failing) return { status: 200, body: {} };
    return { status: 429, headers: { 'retry-after': '1' } };
  });
  const state = { available: ['old'] };
  const it = link(url, state);
  await running(it, server, async () => {
    await until((all) => all.length === 1);
    for (let change = 0; change < 50; change += 1) {
      state.available = [`model-${change}`];
      it.notify();
    }
    failing = false;
    await until((all) => beats(all).length >= 1);
    assert.ok((seen[1]?.at ?? 0) - (seen[0]?.at ?? 0) >= 990, 'Retry-After: 1 is one second');
    assert.deepEqual(available(beats(seen)[0]), ['model-49']);
    assert.ok(seen.length <= 4, 'no backlog is sent');
    assert.equal(it.view().registered, true);
  });
});

test('what is available is named by id and aliases, each once', () => {
  const model = { id: 'a/b.gguf', aliases: ['b', 'chat'], digest: '', sizeBytes: 0, files: [] };
  assert.deepEqual(availableNames([model, { ...model, id: 'b', aliases: ['chat'] }]), ['a/b.gguf', 'b', 'chat']);
});
