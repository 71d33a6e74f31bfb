import { Bitfield } from '../src/content/bitfield.ts';
import { HavePace } from '../src/swarm/have-pace.ts';
import { BlameLedger } from '../src/transfer/blame.ts';
import { Download } from '../src/transfer/download.ts';
import type { SourceOpener } from '../src/transfer/piece-source.ts';
import { Metrics } from '../src/util/metrics.ts';
import { seededRandom } from '../src/util/random.ts';
import { HaveView } from './have-view.ts';
import { Host } from './network.ts';
import { PeerOpener } from './peer-opener.ts';
import type { NodeTraits } from './scenario.ts';
import type { World } from './world.ts';

/** One node: a real download of the daemon, and what the rest of a daemon does around it. */
export class SimNode {
  readonly name: string;
  readonly host: Host;
  readonly traits: NodeTraits;
  readonly have: Bitfield;
  readonly download: Download;
  readonly blame: BlameLedger;
  readonly stop = new AbortController();
  /** Which piece came when. */
  readonly arrivals: number[] = [];
  /** Verified by BLAKE3 when they came; what is in `have` must be in here. */
  readonly verified: Set<number> = new Set();
  dead = false;
  failure: unknown;
  doneMs: number | undefined;
  originBytes = 0;
  readonly #world: World;
  /** What the others know of this node's pieces. */
  readonly view: HaveView;
  readonly #known = new Map<string, SimNode>();
  readonly #neighbours = new Set<string>();
  readonly #resets = new Set<() => void>();
  #news: number[] = [];
  #listeners = 0;
  readonly #pace: HavePace;
  #refreshing = false;
  #telling = false;

  constructor(options: { name: string; traits: NodeTraits; seed: number }, world: World) {
    const { traits } = options;
    this.name = options.name;
    this.traits = traits;
    this.#world = world;
    const { bytesPerSecond, downBytesPerSecond = bytesPerSecond } = traits;
    this.host = new Host({
      name: this.name,
      upBytesPerMs: bytesPerSecond / 1000,
      downBytesPerMs: downBytesPerSecond / 1000,
      slots: world.scenario.slots,
    });
    const { time, log, transferMetrics, blob } = world;
    this.#pace = new HavePace({ peers: () => this.#listeners }, { clock: time });
    this.have = new Bitfield(world.pieceCount);
    this.view = new HaveView(world.pieceCount);
    if (traits.whole === true) this.#fill();
    this.blame = new BlameLedger({ clock: time, log, metrics: new Metrics() });
    this.download = new Download(
      { blob, have: this.have, ...world.downloadOptions(this) },
      {
        clock: time,
        random: seededRandom(options.seed),
        log,
        blame: this.blame,
        metrics: transferMetrics,
        budget: { bytes: 0 },
        hasRoom: () => Promise.resolve(true),
      },
    );
    this.download.on('piece', (index) => this.#gained(index));
  }

  get complete(): boolean {
    return this.have.complete;
  }

  /** Other nodes that are still fetching, as far as this one has heard. */
  *fetchers(): Iterable<string> {
    yield this.name;
    for (const node of this.#known.values()) if (!node.dead && !node.complete) yield node.name;
  }

  async run(origin: SourceOpener | undefined): Promise<void> {
    const { time } = this.#world;
    if (origin !== undefined) this.download.addSource(origin);
    try {
      await this.download.run(this.stop.signal);
      this.doneMs = time.monotonic();
    } catch (error) {
      if (!this.dead) this.failure = error;
    } finally {
      for (const name of this.#neighbours) this.#known.get(name)?.listen(-1);
      this.#neighbours.clear();
    }
    time.stir();
  }

  /** A record of the other has come. */
  meet(other: SimNode): void {
    if (this.dead || this.doneMs !== undefined || other === this) return;
    this.#known.set(other.name, other);
    if (this.#refreshing) return;
    this.#refreshing = true;
    this.#world.time.after(this.#known.size > 64 ? 100 : 1, () => this.#refresh());
  }

  forget(other: SimNode): void {
    if (!this.#known.delete(other.name) || this.dead || this.doneMs !== undefined) return;
    if (!this.#refreshing) this.#refresh();
  }

  /** Calls back when this node's connections are reset; returns what ends that. */
  onReset(listener: () => void): () => void {
    this.#resets.add(listener);
    return () => this.#resets.delete(listener);
  }

  die(): void {
    this.dead = true;
    this.stop.abort();
    const { time, network } = this.#world;
    time.after(network.latencyMs, () => {
      for (const reset of [...this.#resets]) reset();
      this.view.lose();
      time.stir();
    });
    time.stir();
  }

  thaw(): void {
    this.#world.network.thaw(this.host);
    this.#tell();
  }

  /** One node more, or less, that watches this one. */
  listen(change: 1 | -1): void {
    this.#listeners += change;
  }

  #fill(): void {
    for (const index of this.have.missing()) {
      this.have.add(index);
      this.verified.add(index);
    }
    this.view.add([...this.verified]);
  }

  #gained(index: number): void {
    this.arrivals.push(this.#world.time.monotonic());
    this.#news.push(index);
    if (this.#telling) return;
    this.#telling = true;
    this.#world.time.after(this.#world.scenario.haveBatchMs ?? this.#pace.waitMs(), () => {
      this.#telling = false;
      this.#pace.told(0);
      this.#tell();
    });
  }

  #tell(): void {
    if (this.dead || this.host.frozen) return;
    const { time, network } = this.#world;
    const news = this.#news;
    this.#news = [];
    time.after(network.latencyMs, () => {
      this.view.add(news);
      time.stir();
    });
  }

  #refresh(): void {
    this.#refreshing = false;
    if (this.dead || this.doneMs !== undefined) return;
    const wanted = new Set(this.#world.neighboursOf(this.name, [...this.#known.values()]));
    for (const name of this.#neighbours) {
      if (wanted.has(name)) continue;
      this.#neighbours.delete(name);
      this.#known.get(name)?.listen(-1);
      this.download.removeSource({ kind: 'peer', id: name });
    }
    for (const name of wanted) {
      const other = this.#known.get(name);
      if (other === undefined || this.#neighbours.has(name)) continue;
      this.#neighbours.add(name);
      other.listen(1);
      this.download.addSource(new PeerOpener({ from: other, to: this }, this.#world));
    }
    this.#world.time.stir();
  }
}
