import { pino } from 'pino';
import { geometryOf } from '../src/content/piece-geometry.ts';
import type { DownloadOptions } from '../src/transfer/download.ts';
import type { BlobTarget } from '../src/transfer/piece-source.ts';
import { TransferMetrics } from '../src/transfer/transfer-metrics.ts';
import type { Log } from '../src/util/log.ts';
import { Metrics } from '../src/util/metrics.ts';
import { type Random, seededRandom } from '../src/util/random.ts';
import { type Connection, Network } from './network.ts';
import type { Scenario } from './scenario.ts';
import { SimNode } from './sim-node.ts';
import { SimOrigin } from './sim-origin.ts';
import { VirtualTime } from './virtual-time.ts';

const SHA = '5a'.repeat(32);

/** Choices that a simulation may make otherwise than the daemon, to compare. */
export interface Policies {
  readonly downloadOptions: (node: SimNode, world: World) => Partial<DownloadOptions>;
  readonly neighboursOf: (self: string, known: readonly SimNode[], sha256: string) => readonly string[];
}

/** Everything that one simulation is made of. */
export class World {
  readonly scenario: Scenario;
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly log: Log = pino({ level: 'silent' });
  readonly transferMetrics: TransferMetrics;
  readonly network: Network;
  readonly blob: BlobTarget;
  readonly pieceCount: number;
  readonly origin: SimOrigin;
  readonly nodes: readonly SimNode[];
  readonly #policies: Policies;
  readonly #lines = new Map<string, Set<Connection>>();
  readonly #cut = new Set<string>();

  constructor(scenario: Scenario, policies: Policies) {
    this.scenario = scenario;
    this.#policies = policies;
    this.random = seededRandom(scenario.seed);
    this.transferMetrics = new TransferMetrics(new Metrics());
    this.network = new Network(scenario, this);
    const { pieceCount, pieceSizeBytes, sizeBytes } = geometryOf(scenario.blobBytes);
    this.pieceCount = pieceCount;
    const manifest = { sizeBytes, pieceSizeBytes, sha256: SHA, pieceHashes: new Uint8Array(32 * pieceCount) };
    this.blob = { sha256: SHA, manifest, partial: { dir: '/nowhere', sha256: SHA, sizeBytes } };
    this.origin = new SimOrigin({ bytesPerSecond: scenario.originBytesPerSecond }, this);
    this.nodes = scenario.nodes.map((traits, index) => {
      const seed = Math.floor(this.random() * 2 ** 32);
      return new SimNode({ name: `node-${index}`, traits, seed }, this);
    });
  }

  downloadOptions(node: SimNode): Partial<DownloadOptions> {
    return this.#policies.downloadOptions(node, this);
  }

  neighboursOf(self: string, known: readonly SimNode[]): readonly string[] {
    return this.#policies.neighboursOf(self, known, SHA);
  }

  /** Returns whether all that could finish did in time. */
  async run(): Promise<boolean> {
    for (const node of this.nodes) this.#plan(node);
    for (const { between, fromMs, untilMs } of this.scenario.cuts ?? []) {
      const key = pair(...between.map((index) => `node-${index}`));
      this.time.after(fromMs, () => this.#setCut(key, true));
      this.time.after(untilMs, () => this.#setCut(key, false));
    }
    const ended = (node: SimNode): boolean => node.dead || node.doneMs !== undefined || node.failure !== undefined;
    return await this.time.run(() => this.nodes.every(ended), this.scenario.limitMs);
  }

  isCut(a: SimNode, b: SimNode): boolean {
    return this.#cut.has(pair(a.name, b.name));
  }

  /** A connection between the two, which a cut of their cable concerns. */
  lay(a: SimNode, b: SimNode, connection: Connection): void {
    if (this.scenario.cuts === undefined) return;
    const key = pair(a.name, b.name);
    const lines = this.#lines.get(key) ?? new Set();
    this.#lines.set(key, lines.add(connection));
  }

  #setCut(key: string, isCut: boolean): void {
    if (isCut) this.#cut.add(key);
    else this.#cut.delete(key);
    for (const connection of this.#lines.get(key) ?? []) connection.cut(isCut);
  }

  #plan(node: SimNode): void {
    const { traits } = node;
    const { recordMs } = this.scenario;
    this.time.after(traits.startMs, () => {
      void node.run(traits.withoutOrigin === true ? undefined : this.origin.openerFor(node));
      this.time.stir();
      // The gossip tells the others of it, and it of the others, at the same pace.
      this.time.after(recordMs, () => {
        for (const other of this.nodes) {
          if (other.dead || other.traits.startMs > traits.startMs) continue;
          node.meet(other);
          other.meet(node);
        }
      });
    });
    if (traits.dieMs !== undefined) {
      this.time.after(traits.dieMs, () => {
        node.die();
        this.time.after(recordMs, () => {
          for (const other of this.nodes) other.forget(node);
        });
      });
    }
    if (traits.freezeMs !== undefined) this.time.after(traits.freezeMs, () => (node.host.frozen = true));
    if (traits.thawMs !== undefined) this.time.after(traits.thawMs, () => node.thaw());
  }
}

function pair(...names: string[]): string {
  return [...names].sort().join(' ');
}
