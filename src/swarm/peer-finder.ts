import type { PeerInfo } from '@libp2p/interface';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { withDeadline } from '../util/deadline.ts';
import { messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { jittered, type Random } from '../util/random.ts';
import { Wake } from '../util/wake.ts';
import type { Fleet, FleetChange } from './fleet.ts';
import type { Links } from './links.ts';
import type { SwarmNode } from './node.ts';

/** A full mesh up to here: news reach everyone at once. A larger fleet hangs together by fewer connections. */
const MESH_PEERS = 64;
const MAX_FOUND = 256;
const MAX_DIALS = 8;
/** A node that was found and is not announced any more: being announced again makes a new start. */
const FORGET_AFTER = 10;
const LOOK_MS = 1_000;
const DIAL_MS = 6_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** Two nodes that learn of each other at once would dial each other at once: the one with the higher id waits. */
const YIELD_MS = 2_000;
const BOOTSTRAP_REMEDY = 'Check that it runs, its address, and that both nodes hold the same fleet key.';

interface Target {
  readonly addresses: readonly Multiaddr[];
  /** Known for bootstrap addresses that name it, and once it was reached. */
  peerId: string | undefined;
  failures: number;
  notBefore: number;
  dialling: boolean;
}

/**
 * Connects to bootstrap addresses, to what mDNS finds and to every node with a record, and does so again whenever they
 * are lost: a node may start long before its bootstrap peer does.
 */
export class PeerFinder {
  readonly #bootstrap: readonly Target[];
  readonly #targets = new Map<string, Target>();
  readonly #node: SwarmNode;
  readonly #links: Links;
  readonly #fleet: Fleet;
  readonly #log: Log;
  readonly #random: Random;
  readonly #wake = new Wake();
  #dials = 0;

  constructor(
    options: { bootstrap: readonly Multiaddr[] },
    parts: { node: SwarmNode; links: Links; fleet: Fleet; log: Log; random: Random },
  ) {
    this.#bootstrap = options.bootstrap.map((address) => targetAt([address], peerIdIn(address), 0));
    this.#node = parts.node;
    this.#links = parts.links;
    this.#fleet = parts.fleet;
    this.#log = parts.log;
    this.#random = parts.random;
  }

  async run(signal: AbortSignal): Promise<void> {
    const onFound = (event: CustomEvent<PeerInfo>): void => this.#found(event.detail);
    const onNews = (change?: FleetChange | string): void => {
      // Whose record has expired is dead or cannot hear us; a connection that still seems open is in the way of a new one.
      if (typeof change === 'object' && change.kind === 'left') this.#links.hangUp(change.peerId);
      this.#wake.notify();
    };
    this.#node.addEventListener('peer:discovery', onFound);
    this.#fleet.on('change', onNews);
    const stop = this.#links.onPeer({ disconnect: onNews });
    try {
      for (;;) {
        this.#look(signal);
        await this.#wake.wait(LOOK_MS, signal);
      }
    } finally {
      stop();
      this.#fleet.off('change', onNews);
      this.#node.removeEventListener('peer:discovery', onFound);
    }
  }

  #look(signal: AbortSignal): void {
    const connected = new Set(this.#links.connectedPeers().map(({ peerId }) => peerId));
    for (const { peerId, addresses } of this.#fleet.nodes()) {
      if (addresses.length > 0 && !this.#targets.has(peerId)) this.#add(peerId, []);
    }
    for (const target of this.#bootstrap) this.#tryLater(target, connected, signal);
    for (const [peerId, target] of this.#targets) {
      const isGone = target.addresses.length === 0 || target.failures >= FORGET_AFTER;
      if (isGone && this.#fleet.node(peerId) === undefined) this.#targets.delete(peerId);
    }
    if (connected.size >= MESH_PEERS) return;
    // Who has been due longest goes first: a few dozen that cannot be reached would take all dials, again and again.
    const inTurn = [...this.#targets.values()].sort((a, b) => a.notBefore - b.notBefore);
    for (const target of inTurn) this.#tryLater(target, connected, signal);
  }

  #found({ id, multiaddrs }: PeerInfo): void {
    const peerId = id.toString();
    if (peerId === this.#links.peerId || this.#targets.size >= MAX_FOUND + this.#fleet.nodes().length) return;
    const known = this.#targets.get(peerId);
    if (known?.dialling === true) return;
    if (known !== undefined && known.failures === 0 && known.addresses.length > 0) return;
    this.#add(
      peerId,
      multiaddrs.map((address) => withPeerId(address, peerId)),
    );
    this.#wake.notify();
  }

  #add(peerId: string, addresses: readonly Multiaddr[]): void {
    const wait = this.#links.peerId < peerId ? 0 : YIELD_MS;
    this.#targets.set(peerId, targetAt(addresses, peerId, performance.now() + wait));
  }

  #tryLater(target: Target, connected: ReadonlySet<string>, signal: AbortSignal): void {
    if (target.peerId !== undefined && connected.has(target.peerId)) {
      target.failures = 0;
      target.notBefore = 0;
      return;
    }
    if (target.dialling || this.#dials >= MAX_DIALS || performance.now() < target.notBefore || signal.aborted) return;
    target.dialling = true;
    this.#dials += 1;
    void this.#dial(target, signal).finally(() => {
      target.dialling = false;
      this.#dials -= 1;
    });
  }

  async #dial(target: Target, signal: AbortSignal): Promise<void> {
    try {
      await withDeadline(DIAL_MS, (deadline) => this.#reach(target, deadline), signal);
      target.failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      target.failures += 1;
      const backOff = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(target.failures - 1, 10));
      target.notBefore = performance.now() + jittered(backOff, 0.2, this.#random);
      const fields = { peer: target.peerId, addresses: target.addresses.map(String), reason: messageOf(error) };
      // Once, so that an operator sees a wrong address; then quiet, because a node that is off is nothing unusual.
      if (target.failures === 1 && this.#bootstrap.includes(target)) {
        this.#log.warn({ ...fields, remedy: BOOTSTRAP_REMEDY }, 'bootstrap peer not reached, trying again');
      } else this.#log.debug(fields, 'peer not reached');
    }
  }

  async #reach(target: Target, signal: AbortSignal): Promise<void> {
    const { peerId, addresses } = target;
    if (addresses.length > 0) target.peerId = await this.#links.dial([...addresses], signal);
    else if (peerId !== undefined) await this.#links.connect(peerId, signal);
  }
}

function targetAt(addresses: readonly Multiaddr[], peerId: string | undefined, notBefore: number): Target {
  return { addresses, peerId, failures: 0, notBefore, dialling: false };
}

function peerIdIn(address: Multiaddr): string | undefined {
  return address.getComponents().findLast(({ name }) => name === 'p2p')?.value;
}

function withPeerId(address: Multiaddr, peerId: string): Multiaddr {
  return peerIdIn(address) === undefined ? multiaddr(`${address.toString()}/p2p/${peerId}`) : address;
}
