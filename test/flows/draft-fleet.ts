import { createHash } from 'node:crypto';
import { Bitfield } from '../../src/content/bitfield.ts';
import type { Draft } from '../../src/content/draft.ts';
import { geometryOf } from '../../src/content/piece-geometry.ts';
import { DraftReading } from '../../src/flows/draft-reading.ts';
import type { HashRun } from '../../src/swarm/hash-run.ts';
import type { RunListener } from '../../src/swarm/run-exchange.ts';
import { BlameLedger } from '../../src/transfer/blame.ts';
import { Download } from '../../src/transfer/download.ts';
import { draftPeer } from '../../src/transfer/draft-peer.ts';
import type { Availability, Piece, PieceSource, SourceOpener } from '../../src/transfer/piece-source.ts';
import { TransferMetrics } from '../../src/transfer/transfer-metrics.ts';
import { codeOf, ShoalError } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';
import { VirtualClock } from '../transfer/virtual-clock.ts';

const LATENCY_MS = 2;

/** What the file holds at a piece, as a version of it has it: in place of bytes, which nobody looks at. */
export function hashOf(version: string, index: number): Uint8Array {
  return createHash('sha256').update(`${version} ${index}`).digest();
}

export interface NodeOptions {
  /** So long after it has said that it fetches, it knows nothing yet of the draft it is asked for. */
  readonly opensAfterMs?: number;
  /** What its mount shows, or what a liar makes of it. */
  readonly version?: string;
  /** What it tells the hashes of, and gives the pieces of. */
  readonly tells?: string;
  readonly uploadBytesPerSecond?: number;
  /** What its own way to the origin gives, where that is less than the origin does. */
  readonly mountBytesPerSecond?: number;
}

/** Nodes that fetch one unpublished file in virtual time: all that decides is real, and bytes, network and mount are not. */
export class DraftFleet {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly draft: Draft;
  readonly nodes = new Map<string, DraftNode>();
  /** Also of those that were killed. */
  readonly known: string[] = [];
  readonly originBytesPerSecond: number;
  originFreeMs = 0;
  originReads = 0;
  originGone = false;
  #ids = 0;

  constructor(options: { readonly seed: number; readonly pieces: number; readonly originBytesPerSecond: number }) {
    this.random = seededRandom(options.seed);
    this.originBytesPerSecond = options.originBytesPerSecond;
    const sizeBytes = options.pieces * 256 * 1024;
    this.draft = { id: 'ab'.repeat(32), path: 'm.gguf', sizeBytes, modifiedNs: '1', manifest: 'cid' };
  }

  get pieceCount(): number {
    return geometryOf(this.draft.sizeBytes).pieceCount;
  }

  /** Copies of the file that the origin has given. */
  get copies(): number {
    return this.originReads / this.pieceCount;
  }

  join(options: NodeOptions = {}): DraftNode {
    this.#ids += 1;
    const node = new DraftNode(`node-${this.#ids}`, options, this);
    this.nodes.set(node.id, node);
    this.known.push(node.id);
    for (const other of this.nodes.values()) other.meet();
    return node;
  }

  kill(node: DraftNode): void {
    this.nodes.delete(node.id);
    node.stop();
  }

  /** Who has read most of it so far. */
  get reader(): DraftNode {
    return [...this.nodes.values()].reduce((best, node) => (node.read > best.read ? node : best));
  }

  async readPiece(length: number, signal: AbortSignal): Promise<void> {
    this.originFreeMs =
      Math.max(this.originFreeMs, this.clock.monotonic()) + (length / this.originBytesPerSecond) * 1000;
    await this.clock.sleep(this.originFreeMs - this.clock.monotonic(), signal);
    if (this.originGone) throw new ShoalError('source-gone', 'the mount is gone');
    this.originReads += 1;
  }
}

export class DraftNode {
  readonly id: string;
  readonly openMs: number;
  readonly fleet: DraftFleet;
  readonly have: Bitfield;
  readonly blame: BlameLedger;
  readonly refused = new Set<string>();
  /** Of each piece, the hash of what is here. */
  readonly held = new Map<number, Uint8Array>();
  reading!: DraftReading;
  read = 0;
  restarts = 0;
  doneMs: number | undefined;
  readonly done: Promise<void>;
  readonly #options: NodeOptions;
  readonly #stop = new AbortController();
  readonly #metrics = new Metrics();
  readonly #listeners = new Set<(added?: readonly number[]) => void>();
  readonly #known = new Set<string>();
  #download: Download | undefined;
  #uploadFreeMs = 0;
  #mountFreeMs = 0;

  constructor(id: string, options: NodeOptions, fleet: DraftFleet) {
    this.id = id;
    this.fleet = fleet;
    this.#options = options;
    this.openMs = fleet.clock.monotonic() + (options.opensAfterMs ?? 0);
    this.have = new Bitfield(fleet.pieceCount);
    this.blame = new BlameLedger({ clock: fleet.clock, log: silentLog, metrics: this.#metrics });
    this.done = this.#run();
    this.done.catch(() => undefined);
  }

  get isLiar(): boolean {
    return this.#options.tells !== undefined;
  }

  /** Versions of the pieces that are here. */
  isWholeOf(version: string): boolean {
    if (!this.have.complete) return false;
    return [...this.held].every(([index, hash]) => Buffer.compare(hash, hashOf(version, index)) === 0);
  }

  stop(): void {
    this.#stop.abort(new DOMException('killed', 'AbortError'));
  }

  /** Others may have come. */
  meet(): void {
    for (const other of this.fleet.nodes.values()) {
      if (other === this || this.#known.has(other.id) || this.#download === undefined) continue;
      this.#known.add(other.id);
      const judge = (index: number, peer: string): Promise<boolean> =>
        this.reading.judge(index, peer, this.#stop.signal);
      this.#download.addSource(draftPeer(other.asPeer(this), { growing: this.reading.growing, judge }));
    }
  }

  asPeer(asker: DraftNode): SourceOpener {
    const id = { kind: 'peer', id: this.id } as const;
    const availability: Availability = {
      complete: false,
      has: (index) => this.have.has(index),
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
    const source: PieceSource = {
      id,
      availability,
      fetch: (piece, _onBytes, signal) => this.#give(piece, asker, signal),
      close: () => Promise.resolve(),
    };
    return {
      id,
      open: async (_blob, signal) => {
        await this.fleet.clock.sleep(LATENCY_MS, signal);
        this.#refuseDead();
        return source;
      },
    };
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        await this.#attempt();
        this.doneMs = this.fleet.clock.monotonic();
        return;
      } catch (error) {
        if (this.#stop.signal.aborted || codeOf(error) !== 'source-lied') throw error;
        this.restarts += 1;
        for (const index of [...this.have.indices()]) this.have.remove(index);
        this.held.clear();
        for (const listener of this.#listeners) listener();
      }
    }
  }

  async #attempt(): Promise<void> {
    const { clock, draft, random } = this.fleet;
    const metrics = new TransferMetrics(new Metrics());
    const { signal } = this.#stop;
    const attempt = new AbortController();
    const until = AbortSignal.any([signal, attempt.signal]);
    // Who was killed stays in the records of the others for a while.
    const fetchers = (): string[] => this.fleet.known.filter((id) => id !== this.id);
    const mount = { hash: (piece: Pick<Piece, 'offset' | 'length'>) => this.#hash(piece, until) };
    this.reading = new DraftReading(
      {
        draft,
        self: this.id,
        fetchers,
        hasCompany: () => fetchers().length > 0,
        isReachable: (id) => this.fleet.nodes.has(id),
        isMember: (id) => this.fleet.known.includes(id),
        refused: this.refused,
      },
      {
        ...{ mount, clock, random, metrics, blame: this.blame, log: silentLog, runs: this.#runs() },
        runLog: { read: () => Promise.resolve([]), append: () => Promise.resolve(), close: () => Promise.resolve() },
      },
    );
    const { growing, rule, listener } = this.reading;
    const blob = { sha256: draft.id, manifest: growing.manifest, partial: { dir: '', sha256: '', sizeBytes: 0 } };
    const download = new Download(
      { blob, have: this.have, originRule: rule },
      {
        ...{ clock, random, metrics, blame: this.blame, log: silentLog, budget: { bytes: 0 } },
        hasRoom: () => Promise.resolve(true),
      },
    );
    download.on('piece', (index) => {
      for (const tell of this.#listeners) tell([index]);
    });
    this.#download = download;
    this.#known.clear();
    const origin: PieceSource = {
      id: { kind: 'origin', id: 'file:///nas' },
      availability: { complete: true, has: () => true, onChange: () => () => undefined },
      fetch: async (piece, _onBytes, fetching) => {
        await this.#readPiece(piece.length, fetching);
        this.read += 1;
        const hash = hashOf(this.#options.tells ?? this.#options.version ?? 'v1', piece.index);
        listener.hashed(piece.index, hash);
        this.held.set(piece.index, hash);
        return { bytes: piece.length, ms: 1 };
      },
      close: () => Promise.resolve(),
    };
    download.addSource({ id: origin.id, open: () => Promise.resolve(origin) });
    this.meet();
    const failing = this.reading.run(until);
    const gathering = download.run(until).then(async () => {
      await this.reading.flush();
      await this.reading.checks.settled(until);
    });
    try {
      await Promise.race([gathering, failing]);
    } finally {
      attempt.abort();
      await Promise.allSettled([gathering, failing]);
    }
  }

  async #hash({ offset, length }: Pick<Piece, 'offset' | 'length'>, signal: AbortSignal): Promise<Uint8Array> {
    await this.#readPiece(length, signal);
    // A liar holds nothing against anybody.
    const { version = 'v1', tells } = this.#options;
    return hashOf(tells ?? version, Math.round(offset / this.reading.growing.manifest.pieceSizeBytes));
  }

  async #readPiece(length: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.fleet;
    const { mountBytesPerSecond = Infinity } = this.#options;
    this.#mountFreeMs = Math.max(this.#mountFreeMs, clock.monotonic()) + (length / mountBytesPerSecond) * 1000;
    if (mountBytesPerSecond < Infinity) await clock.sleep(this.#mountFreeMs - clock.monotonic(), signal);
    await this.fleet.readPiece(length, signal);
  }

  async #give(piece: Piece, asker: DraftNode, signal: AbortSignal): Promise<{ bytes: number; ms: number }> {
    const { clock } = this.fleet;
    const { uploadBytesPerSecond = 10e6 } = this.#options;
    await clock.sleep(LATENCY_MS, signal);
    this.#uploadFreeMs = Math.max(this.#uploadFreeMs, clock.monotonic()) + (piece.length / uploadBytesPerSecond) * 1000;
    await clock.sleep(this.#uploadFreeMs - clock.monotonic(), signal);
    this.#refuseDead();
    const held = this.held.get(piece.index);
    if (held === undefined) throw new ShoalError('source-gone', 'not held');
    if (Buffer.compare(held, piece.hash) !== 0) throw new ShoalError('piece-corrupt', 'BLAKE3 differs');
    asker.held.set(piece.index, held);
    return { bytes: piece.length, ms: 1 };
  }

  #runs(): ConstructorParameters<typeof DraftReading>[1]['runs'] {
    return {
      sign: (run) => Promise.resolve({ ...run, reader: this.id, bytes: new Uint8Array() }),
      follow: (peerId, _draft, { listener }, signal) => this.#follow(peerId, listener, signal),
    };
  }

  async #follow(peerId: string, listener: RunListener, signal: AbortSignal): Promise<void> {
    const { clock, nodes } = this.fleet;
    await clock.sleep(LATENCY_MS, signal);
    const node = nodes.get(peerId);
    if (node === undefined) throw new ShoalError('source-gone', 'it is not there');
    if (clock.monotonic() < node.openMs) return;
    const { growing } = node.reading;
    for (let told = 0, marked = false; ; ) {
      for (; told < growing.runs.length; told += 1) listener.run(growing.runs[told] as HashRun);
      if (!marked) listener.upToDate();
      marked = true;
      await clock.sleep(20, signal);
      if (nodes.get(peerId) !== node || node.reading.growing !== growing) return;
    }
  }

  #refuseDead(): void {
    if (this.fleet.nodes.get(this.id) !== this) throw new ShoalError('source-gone', 'it has gone');
  }
}
