import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';

const PROGRAM = join(import.meta.dirname, 'burst-process.ts');

interface Child extends AsyncDisposable {
  readonly process: ChildProcess;
  output(): string;
  errors(): string;
  /** Code and signal once it has ended. */
  readonly ended: Promise<unknown[]>;
}

function start(...args: string[]): Child {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const ended = once(child, 'exit');
  return {
    process: child,
    output: () => output,
    errors: () => errors,
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function startServer(inboundPerSecond: number): Promise<Child> {
  const server = start('server', String(inboundPerSecond));
  while (!server.output().includes('\n')) {
    assert.equal(server.process.exitCode, null, server.errors());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return server;
}

function assertAlive(server: Child): void {
  const child = server.process;
  assert.equal(child.exitCode, null, server.errors());
  assert.equal(child.signalCode, null);
  assert.equal(server.errors(), '');
}

test('50 nodes that connect at once from one address all get in', { timeout: 60_000 }, async () => {
  await using server = await startServer(100);
  const address = server.output().trim();
  await using clients = start('clients', 'a', address, '50');
  assert.deepEqual(await clients.ended, [0, null], clients.errors());
  assert.equal(clients.output().trim(), 'connected 50');
  assertAlive(server);
});

test('a node that refuses most of a burst ends no process, and lets them in later', { timeout: 60_000 }, async () => {
  await using server = await startServer(5);
  const address = server.output().trim();
  await using clients = start('clients', 'a', address, '12');
  assert.deepEqual(await clients.ended, [0, null], clients.errors());
  assert.equal(clients.output().trim(), 'connected 12');
  assertAlive(server);
});

test('50 nodes with another fleet key end no process, their own or the other', { timeout: 60_000 }, async () => {
  await using server = await startServer(100);
  const address = server.output().trim();
  await using strangers = start('clients', 'b', address, '50');
  assert.deepEqual(await strangers.ended, [0, null], strangers.errors());
  assert.equal(strangers.output().trim(), 'connected 0');
  assertAlive(server);
});

test('200 raw connections that say nothing, noise or half a word, and are reset, end nobody', {
  timeout: 60_000,
}, async () => {
  await using server = await startServer(100);
  const address = server.output().trim();
  const port = Number(
    multiaddr(address)
      .getComponents()
      .find(({ name }) => name === 'tcp')?.value,
  );
  const sockets = Array.from({ length: 200 }, (_, index) => {
    const socket = connect(port, '127.0.0.1');
    socket.resume();
    socket.on('error', () => undefined);
    socket.on('connect', () => {
      if (index % 4 > 0) socket.write(new Uint8Array([0, 7, 24, 4096][index % 4] ?? 0).fill(index));
      setTimeout(() => (index % 2 === 0 ? socket.resetAndDestroy() : socket.end()), index * 2);
    });
    return new Promise((resolve) => socket.on('close', resolve));
  });
  await Promise.all(sockets);
  assertAlive(server);
  await using clients = start('clients', 'a', address, '3');
  assert.deepEqual(await clients.ended, [0, null], clients.errors());
  assertAlive(server);
});
