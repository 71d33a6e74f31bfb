import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { TaskFact } from '../../src/transfer/data-orders.ts';
import { Doze } from '../../src/transfer/worker/doze.ts';
import { FdCache } from '../../src/transfer/worker/fd-cache.ts';
import { connectLane } from '../../src/transfer/worker/lane/connect-lane.ts';
import { LaneListener } from '../../src/transfer/worker/lane/lane-listener.ts';
import { plainHello } from '../../src/transfer/worker/lane/plain-lane.ts';
import type { Questions } from '../../src/transfer/worker/questions.ts';
import { delay, eventually } from '../support/wait.ts';
import { makeLaneIdentity } from './support/lane-end.ts';

test('lane: who hangs up while it is found out whose ticket it is takes no lane', async () => {
  const { credentials } = await makeLaneIdentity();
  const asked = Promise.withResolvers<undefined>();
  const owner = Promise.withResolvers<{ readonly peerId: string }>();
  const questions = {
    ask: () => {
      asked.resolve(undefined);
      return owner.promise;
    },
  } as unknown as Questions;
  const facts: TaskFact[] = [];
  const ending = new AbortController();
  const context = {
    signal: ending.signal,
    tell: (fact: TaskFact) => void facts.push(fact),
    soon: (fact: TaskFact) => void facts.push(fact),
    mention: () => undefined,
    onControl: () => undefined,
  };
  const doze = new Doze({ beforehand: () => undefined });
  const parts = { credentials: { ...credentials, plain: true }, questions, files: new FdCache(), doze };
  const running = new LaneListener(parts, context).run({ host: '127.0.0.1', port: 0 }, { shared: false });
  await eventually('it listens', () => facts.some(({ kind }) => kind === 'listening'));
  const listening = facts.find((fact) => fact.kind === 'listening');
  const socket = connect(listening?.address.port ?? 0, '127.0.0.1');
  socket.write(plainHello(new Uint8Array(32)));
  await asked.promise;
  socket.resetAndDestroy();
  await once(socket, 'close');
  await delay(50);
  owner.resolve({ peerId: 'somebody' });
  await delay(50);
  const counts = (): number[] => facts.filter((fact) => fact.kind === 'lanes').map(({ count }) => count);
  await eventually('no lane is open', () => (counts().at(-1) ?? 0) === 0).finally(() => ending.abort());
  await running;
});

test('lane: nothing is dialled any more when the ticket comes too late', async () => {
  const { credentials } = await makeLaneIdentity();
  const ticket = Promise.withResolvers<{ readonly ticket: Uint8Array }>();
  const questions = { ask: () => ticket.promise } as unknown as Questions;
  const doze = new Doze({ beforehand: () => undefined });
  const dialled: Socket[] = [];
  await using server = createServer((socket) => dialled.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const late = new AbortController();
  const parts = { credentials: { ...credentials, plain: true }, questions, doze };
  const connecting = connectLane({ host: '127.0.0.1', port }, 'somebody', parts, late.signal);
  late.abort();
  ticket.resolve({ ticket: new Uint8Array(32) });
  await assert.rejects(connecting, { name: 'AbortError' });
  // Whoever was dialled before this one has been accepted before it.
  const last = connect(port, '127.0.0.1');
  await once(last, 'connect');
  await eventually('it is accepted', () => dialled.length > 0);
  await eventually('it was the first', () => dialled[0]?.remotePort === last.localPort).finally(() => {
    last.destroy();
    for (const socket of dialled) socket.destroy();
  });
});
