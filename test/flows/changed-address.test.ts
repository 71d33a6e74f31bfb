import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type LookupFunction, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { delay, eventually } from '../support/wait.ts';
import { hastyClock, runLink } from './link-fixture.ts';
import { availableIn, OK, OrchestratorServer, type Reply, type Seen } from './orchestrator-server.ts';

/** An orchestrator that has no memory of what another process was told. */
function ownMemory(): (one: Seen) => Reply {
  let isKnown = false;
  return ({ path }) => {
    isKnown ||= path.endsWith('/register');
    // Allows connections to be kept for longer than anybody should.
    const headers = { 'keep-alive': 'timeout=600' };
    return isKnown ? { ...OK, headers } : { status: 404, headers };
  };
}

/** Passes bytes on to wherever it is told; without a place to go connections end at once. */
class Forwarder implements AsyncDisposable {
  port: number | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((from) => {
      if (this.port === undefined) {
        from.destroy();
        return;
      }
      const to = connect(this.port, '127.0.0.1');
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
        one.pipe(other);
      }
    });
  }

  static async start(): Promise<Forwarder> {
    const made = new Forwarder();
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/prefix`;
  }

  /** What went through until now is cut. */
  redirect(port: number | undefined): void {
    this.port = port;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.redirect(undefined);
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

test('an orchestrator that moves behind its name is followed, although the old one still answers', async () => {
  await using old = await OrchestratorServer.start(ownMemory());
  await using next = await OrchestratorServer.start(ownMemory(), old.port, '127.0.0.2');
  let address = '127.0.0.1';
  const lookup: LookupFunction = (_name, options, found) => {
    if (options.all === true) found(null, [{ address, family: 4 }]);
    else found(null, address, 4);
  };
  const url = `http://orchestrator.test:${old.port}/prefix`;
  await using it = runLink(url, { lookup, clock: hastyClock(40), periodMs: 100, state: { available: ['before'] } });
  await old.until(({ beats }) => beats.length >= 2);
  address = '127.0.0.2';
  it.state.available = ['after'];
  it.link.notify();
  await next.until(({ steps }) => steps.length >= 3);
  assert.deepEqual(next.steps.slice(0, 3), ['heartbeat', 'register', 'heartbeat'], 'it introduces itself there');
  assert.deepEqual(availableIn(next.beats[1]), ['after']);
  const heard = old.seen.length;
  await next.until(({ beats }) => beats.length >= 6);
  assert.equal(old.seen.length, heard, 'and the old one hears no more');
  assert.deepEqual(
    it.log.filter(({ level }) => level === 'warn'),
    [],
  );
});

test('one that comes back on another port behind the same URL gets the newest state, no backlog, and the log says it once', async () => {
  await using forwarder = await Forwarder.start();
  await using first = await OrchestratorServer.start(ownMemory());
  forwarder.redirect(first.port);
  await using it = runLink(forwarder.url, { clock: hastyClock(20), state: { available: ['old'] } });
  await first.until(({ beats }) => beats.length === 1);
  await eventually('it has heard that it is accepted', () => it.log.length === 1);
  forwarder.redirect(undefined);
  await first[Symbol.asyncDispose]();
  for (let change = 0; change < 100; change += 1) {
    it.state.available = [`model-${change}`];
    it.link.notify();
    await delay(4);
  }
  await eventually('it is in trouble', () => it.link.view().problem !== undefined);
  await using second = await OrchestratorServer.start(ownMemory());
  forwarder.redirect(second.port);
  await second.until(({ steps }) => steps.includes('register') && steps.at(-1) === 'heartbeat');
  await delay(200);
  assert.deepEqual(
    [...new Set(second.beats.map((beat) => availableIn(beat)?.join()))],
    ['model-99'],
    'the present, not the past',
  );
  assert.ok(second.beats.length <= 3, `${second.beats.length} heartbeats`);
  await eventually('it is well', () => it.link.view().problem === undefined);
  assert.deepEqual(
    it.log.map(({ msg }) => msg),
    [
      'orchestrator accepts heartbeats',
      'orchestrator does not accept heartbeats, trying on',
      'orchestrator accepts heartbeats',
    ],
  );
});
