import type { Random } from '../src/util/random.ts';
import type { VirtualTime } from './virtual-time.ts';

/**
 * Hosts with an uplink and a downlink, and connections between them. Bytes move in quanta: an uplink serves its
 * connections in turn, so does a downlink, and a connection has only so much on its way (a TCP window). That gives about
 * the fair shares of real flows, and queues where real ones stand.
 */
export interface NetworkOptions {
  readonly quantumBytes: number;
  /** One way. */
  readonly latencyMs: number;
  /** Chance per quantum to arrive `LOSS_DELAY_MS` late, and with it all that follows on the connection. */
  readonly loss: number;
}

export interface NetworkParts {
  readonly time: VirtualTime;
  readonly random: Random;
}

export interface TransferEnds {
  readonly bytes: (count: number) => void;
  readonly done: () => void;
}

interface Transfer extends TransferEnds {
  toSend: number;
  toReceive: number;
  sending: boolean;
  cancelled: boolean;
}

const LOSS_DELAY_MS = 200;
/** What a socket has on its way at least; more on a long line. */
const MIN_IN_TRANSIT_QUANTA = 4;

export class Host {
  readonly name: string;
  upBytesPerMs: number;
  downBytesPerMs: number;
  sentBytes = 0;
  receivedBytes = 0;
  /** Nothing leaves and nothing is taken. */
  frozen = false;
  readonly sendable: Connection[] = [];
  readonly arrived: { connection: Connection; transfer: Transfer; bytes: number }[][] = [];
  readonly byConnection = new Map<Connection, { connection: Connection; transfer: Transfer; bytes: number }[]>();
  readonly waiting: Connection[] = [];
  slotsFree: number;
  upBusy = false;
  downBusy = false;

  constructor(options: { name: string; upBytesPerMs: number; downBytesPerMs: number; slots: number }) {
    this.name = options.name;
    this.upBytesPerMs = options.upBytesPerMs;
    this.downBytesPerMs = options.downBytesPerMs;
    this.slotsFree = options.slots;
  }
}

export class Network {
  readonly #options: NetworkOptions;
  readonly #parts: NetworkParts;

  constructor(options: NetworkOptions, parts: NetworkParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get latencyMs(): number {
    return this.#options.latencyMs;
  }

  connect(from: Host, to: Host): Connection {
    const rate = Math.min(from.upBytesPerMs, to.downBytesPerMs);
    const onTheLine = 4 * rate * this.#options.latencyMs;
    const windowBytes = Math.max(MIN_IN_TRANSIT_QUANTA * this.#options.quantumBytes, onTheLine);
    return new Connection(this, { from, to, windowBytes });
  }

  /** Both ways again after it was frozen. */
  thaw(host: Host): void {
    host.frozen = false;
    this.pumpUp(host);
    this.pumpDown(host);
  }

  pumpUp(host: Host): void {
    if (host.upBusy || host.frozen) return;
    const connection = host.sendable.shift();
    if (connection === undefined) return;
    const { time, random } = this.#parts;
    const { quantumBytes, latencyMs, loss } = this.#options;
    const sending = connection.takeQuantum(quantumBytes);
    if (sending === undefined) {
      this.pumpUp(host);
      return;
    }
    const { transfer, bytes } = sending;
    host.upBusy = true;
    time.after(bytes / host.upBytesPerMs, () => {
      host.upBusy = false;
      host.sentBytes += bytes;
      connection.quantumSent(transfer);
      const lateMs = loss > 0 && random() < loss ? LOSS_DELAY_MS : 0;
      const nowMs = time.monotonic();
      // A stream keeps its order.
      connection.lastArrivalMs = Math.max(connection.lastArrivalMs, nowMs + latencyMs + lateMs);
      time.after(connection.lastArrivalMs - nowMs, () => this.#arrive(connection, transfer, bytes));
      this.pumpUp(host);
    });
  }

  pumpDown(host: Host): void {
    if (host.downBusy || host.frozen) return;
    const queue = host.arrived.shift();
    const next = queue?.shift();
    if (queue === undefined || next === undefined) return;
    const { connection, transfer, bytes } = next;
    if (queue.length > 0) host.arrived.push(queue);
    else host.byConnection.delete(connection);
    host.downBusy = true;
    this.#parts.time.after(bytes / host.downBytesPerMs, () => {
      host.downBusy = false;
      host.receivedBytes += bytes;
      connection.quantumReceived(transfer, bytes);
      this.pumpDown(host);
    });
  }

  stir(): void {
    this.#parts.time.stir();
  }

  #arrive(connection: Connection, transfer: Transfer, bytes: number): void {
    const host = connection.to;
    if (connection.broken) return;
    const queue = host.byConnection.get(connection);
    const quantum = { connection, transfer, bytes };
    if (queue !== undefined) queue.push(quantum);
    else {
      const fresh = [quantum];
      host.byConnection.set(connection, fresh);
      host.arrived.push(fresh);
    }
    this.pumpDown(host);
  }
}

/** One stream from a host to another: what is asked of it is sent in the order of asking. */
export class Connection {
  readonly from: Host;
  readonly to: Host;
  lastArrivalMs = 0;
  broken = false;
  /** A cut cable between the two: nothing moves, and nobody is told. */
  #cut = false;
  readonly #network: Network;
  readonly #windowBytes: number;
  readonly #queue: Transfer[] = [];
  #inTransit = 0;
  #queued = false;

  constructor(network: Network, options: { from: Host; to: Host; windowBytes: number }) {
    this.#network = network;
    this.from = options.from;
    this.to = options.to;
    this.#windowBytes = options.windowBytes;
  }

  /** Returns what takes it back. */
  send(bytes: number, ends: TransferEnds): () => void {
    const transfer: Transfer = { ...ends, toSend: bytes, toReceive: bytes, sending: false, cancelled: false };
    this.#queue.push(transfer);
    this.offer();
    return () => this.#cancel(transfer);
  }

  cut(isCut: boolean): void {
    this.#cut = isCut;
    this.offer();
  }

  break(): void {
    this.broken = true;
    for (const transfer of this.#queue.splice(0)) {
      transfer.cancelled = true;
      if (transfer.sending) this.#releaseSlot();
    }
    const waits = this.from.waiting.indexOf(this);
    if (waits !== -1) this.from.waiting.splice(waits, 1);
  }

  takeQuantum(quantumBytes: number): { transfer: Transfer; bytes: number } | undefined {
    this.#queued = false;
    const transfer = this.#queue[0];
    if (transfer?.sending !== true || !this.#mayMove()) {
      this.offer();
      return undefined;
    }
    const bytes = Math.min(quantumBytes, transfer.toSend);
    transfer.toSend -= bytes;
    this.#inTransit += bytes;
    return { transfer, bytes };
  }

  quantumSent(transfer: Transfer): void {
    if (transfer.toSend === 0 && this.#queue[0] === transfer) {
      this.#queue.shift();
      this.#releaseSlot();
    }
    this.offer();
  }

  quantumReceived(transfer: Transfer, bytes: number): void {
    this.#inTransit -= bytes;
    transfer.toReceive -= bytes;
    if (!transfer.cancelled && !this.broken) {
      transfer.bytes(bytes);
      if (transfer.toReceive === 0) {
        transfer.done();
        this.#network.stir();
      }
    }
    this.offer();
  }

  #mayMove(): boolean {
    return !this.broken && !this.#cut && this.#inTransit < this.#windowBytes;
  }

  /** Gets in line for a slot, or with a slot for the uplink, if there is something to send. */
  offer(): void {
    const transfer = this.#queue[0];
    if (transfer === undefined || this.#queued || !this.#mayMove()) return;
    if (!transfer.sending) {
      if (this.from.waiting.includes(this)) return;
      if (this.from.slotsFree === 0) {
        this.from.waiting.push(this);
        return;
      }
      this.from.slotsFree -= 1;
      transfer.sending = true;
    }
    if (transfer.toSend === 0) return;
    this.#queued = true;
    this.from.sendable.push(this);
    this.#network.pumpUp(this.from);
  }

  #cancel(transfer: Transfer): void {
    if (transfer.cancelled) return;
    transfer.cancelled = true;
    const place = this.#queue.indexOf(transfer);
    if (place === -1) return;
    this.#queue.splice(place, 1);
    if (transfer.sending) this.#releaseSlot();
    this.offer();
  }

  #releaseSlot(): void {
    this.from.slotsFree += 1;
    // Who has nothing to send any more gives way to the next.
    while (this.from.slotsFree > 0 && this.from.waiting.length > 0) this.from.waiting.shift()?.offer();
  }
}
