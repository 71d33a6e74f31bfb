import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import type { Fleet } from '../../src/swarm/fleet.ts';
import type { Links } from '../../src/swarm/links.ts';
import type { SwarmNode } from '../../src/swarm/node.ts';
import { PeerFinder } from '../../src/swarm/peer-finder.ts';
import { silentLog } from '../../src/util/log.ts';
import { seededRandom } from '../../src/util/random.ts';

/** Nodes that announce themselves, some of which are behind something that drops packets; time goes by as the test says. */
class Surroundings {
  readonly connected = new Set<string>();
  readonly alive = new Set<string>();
  /** Who is not reached is refused, and not waited for. */
  refuses = false;
  /** Peers with a record. */
  readonly known: string[] = [];
  readonly #node = new EventTarget();
  readonly #ending = new AbortController();
  readonly #tick: (ms: number) => void;
  readonly #running: Promise<unknown>;

  constructor(t: TestContext) {
    let nowMs = 1_000;
    t.mock.timers.enable({ apis: ['setTimeout'] });
    t.mock.method(performance, 'now', () => nowMs);
    this.#tick = (ms) => {
      nowMs += ms;
      t.mock.timers.tick(ms);
    };
    const links = {
      peerId: '!',
      connectedPeers: () => [...this.connected].map((peerId) => ({ peerId })),
      connect: (peerId: string, signal: AbortSignal) => this.#reach(peerId, signal),
      dial: ([address]: Multiaddr[], signal: AbortSignal) => this.#reach(peerIn(address), signal),
      onPeer: () => () => undefined,
    };
    const fleet = Object.assign(new EventEmitter(), {
      nodes: () => this.known.map((peerId) => ({ peerId, addresses: ['/ip4/192.0.2.1/tcp/1'] })),
      node: (peerId: string) => (this.known.includes(peerId) ? {} : undefined),
    });
    const finder = new PeerFinder(
      { bootstrap: [] },
      {
        node: this.#node as unknown as SwarmNode,
        links: links as unknown as Links,
        fleet: fleet as unknown as Fleet,
        log: silentLog,
        random: seededRandom(1),
      },
    );
    this.#running = finder.run(this.#ending.signal).catch(() => undefined);
  }

  announces(peerId: string): void {
    const multiaddrs = [multiaddr(`/dns4/${peerId}/tcp/1`)];
    const detail = { id: { toString: () => peerId }, multiaddrs };
    this.#node.dispatchEvent(Object.assign(new Event('peer:discovery'), { detail }));
  }

  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      this.#tick(1_000);
      for (let turn = 0; turn < 5; turn += 1) await nextTurn();
    }
  }

  async end(): Promise<void> {
    this.#ending.abort(new DOMException('the test is over', 'AbortError'));
    await this.#running;
  }

  #reach(peerId: string, signal: AbortSignal): Promise<string> {
    if (this.alive.has(peerId)) {
      this.connected.add(peerId);
      return Promise.resolve(peerId);
    }
    if (this.refuses) return Promise.reject(new Error('refused'));
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }
}

function peerIn(address: Multiaddr | undefined): string {
  return address?.getComponents()[0]?.value ?? '';
}

test('a node that can be reached is not kept waiting by many that cannot', async (t) => {
  const around = new Surroundings(t);
  for (let n = 0; n < 50; n += 1) around.known.push(`dead-${n}`);
  around.known.push('alive');
  around.alive.add('alive');
  await around.pass(120);
  await around.end();
  assert.deepEqual([...around.connected], ['alive']);
});

test('nodes that were found once and are gone leave room for others', async (t) => {
  const around = new Surroundings(t);
  around.refuses = true;
  await around.pass(1);
  for (let n = 0; n < 256; n += 1) around.announces(`gone-${n}`);
  await around.pass(300);
  around.announces('alive');
  around.alive.add('alive');
  await around.pass(60);
  await around.end();
  assert.deepEqual([...around.connected], ['alive']);
});
