import { Writable } from 'node:stream';
import { pino } from 'pino';
import { Bitfield } from '../../src/content/bitfield.ts';
import { geometryOf } from '../../src/content/piece-geometry.ts';
import { BlameLedger } from '../../src/transfer/blame.ts';
import { Download, type DownloadParts } from '../../src/transfer/download.ts';
import type { DownloadProgress } from '../../src/transfer/download-progress.ts';
import type { OriginRule } from '../../src/transfer/origin-rule.ts';
import { TransferMetrics } from '../../src/transfer/transfer-metrics.ts';
import type { Log } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';
import { type Behaviour, FakeSource, fakeBlob } from './fake-source.ts';
import { VirtualClock } from './virtual-clock.ts';

export const PIECE = 256 * 1024;

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** One download among fake sources in virtual time. */
export class Scene {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly metrics = new Metrics();
  readonly logLines: LogLine[] = [];
  readonly log: Log;
  readonly blame: BlameLedger;
  readonly budget = { bytes: 0 };
  readonly pieceCount: number;
  readonly download: Download;
  readonly sources: FakeSource[] = [];
  readonly stop = new AbortController();
  hasRoom = true;

  constructor(
    options: {
      readonly seed: number;
      readonly pieces: number;
      readonly have?: Iterable<number>;
      readonly originRule?: OriginRule;
    },
    parts: Pick<DownloadParts, 'limiters'> & { readonly clock?: VirtualClock } = {},
  ) {
    if (parts.clock !== undefined) this.clock = parts.clock;
    this.random = seededRandom(options.seed);
    const lines = this.logLines;
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(JSON.parse(chunk.toString()) as LogLine);
        done();
      },
    });
    this.log = pino({ level: 'debug' }, sink);
    this.blame = new BlameLedger(this);
    // The last piece is shorter, as it is in nature.
    const blob = fakeBlob(options.pieces * PIECE - 1000);
    this.pieceCount = geometryOf(blob.manifest.sizeBytes).pieceCount;
    const have = new Bitfield(this.pieceCount);
    for (const index of options.have ?? []) have.add(index);
    this.download = new Download(
      { blob, have, ...(options.originRule === undefined ? {} : { originRule: options.originRule }) },
      {
        clock: this.clock,
        random: this.random,
        log: this.log,
        blame: this.blame,
        metrics: new TransferMetrics(this.metrics),
        budget: this.budget,
        hasRoom: () => Promise.resolve(this.hasRoom),
        ...(parts.limiters === undefined ? {} : { limiters: parts.limiters }),
      },
    );
  }

  peer(id: string, behaviour: Partial<Behaviour> = {}, holds?: Iterable<number>): FakeSource {
    return this.#add('peer', id, { behaviour, holds });
  }

  origin(id: string, behaviour: Partial<Behaviour> = {}): FakeSource {
    return this.#add('origin', id, { behaviour, holds: undefined });
  }

  run(): Promise<DownloadProgress> {
    return this.clock.drive(this.download.run(this.stop.signal));
  }

  /** How often each piece was asked for, from anybody. */
  asksPerPiece(): number[] {
    const counts = new Array<number>(this.pieceCount).fill(0);
    for (const source of this.sources) for (const ask of source.asks) counts[ask.index] = (counts[ask.index] ?? 0) + 1;
    return counts;
  }

  logged(msg: string): LogLine[] {
    return this.logLines.filter((line) => line.msg.includes(msg));
  }

  #add(
    kind: 'peer' | 'origin',
    id: string,
    { behaviour, holds }: { behaviour: Partial<Behaviour>; holds: Iterable<number> | undefined },
  ): FakeSource {
    const full = { bytesPerSecond: 10e6, latencyMs: 2, ...behaviour };
    const source = new FakeSource({ id: { kind, id }, behaviour: full, ...(holds ? { holds } : {}) }, this);
    this.sources.push(source);
    this.download.addSource(source);
    return source;
  }
}
