import type { Draft } from '../content/draft.ts';
import { pieceHash } from '../content/manifest.ts';
import type { RunLog } from '../store/run-log.ts';
import { type HashRun, RUN_MAX_PIECES, verifyRun } from '../swarm/hash-run.ts';
import type { RunExchange } from '../swarm/run-exchange.ts';
import type { BlameLedger } from '../transfer/blame.ts';
import { type Dispute, GrowingManifest } from '../transfer/growing-manifest.ts';
import type { DraftReadingListener } from '../transfer/mounted-draft.ts';
import { SingleReader } from '../transfer/single-reader.ts';
import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { codeOf, messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { DraftChecks, type DraftChecksParts } from './draft-checks.ts';

export interface DraftReadingOptions {
  readonly draft: Draft;
  readonly self: string;
  readonly fetchers: () => string[];
  readonly isReachable: (peerId: string) => boolean;
  readonly hasCompany: () => boolean;
  /** Readers who were found to lie about this draft; added to here. */
  readonly refused: Set<string>;
}

export interface DraftReadingParts extends DraftChecksParts {
  readonly runs: Pick<RunExchange, 'sign' | 'follow'>;
  readonly runLog: Pick<RunLog, 'read' | 'append'>;
  readonly blame: BlameLedger;
  readonly clock: Clock;
  readonly log: Log;
}

const SIGN_MS = 100;
const FOLLOW_LOOK_MS = 200;
const FOLLOW_AGAIN_MS = 1_000;
/** The reader, and who comes after it: when it goes, its successor is known already. */
const FOLLOWED = 2;

/**
 * What a node has to do with others for the first read of a file: who reads, what hashes it tells, whether they are true,
 * and telling its own. `run` ends only by an error: `source-lied` when pieces are here by the word of a liar, `changed`
 * when the file on the origin is another one now; nothing that is here of it is to be trusted then.
 */
export class DraftReading {
  readonly growing: GrowingManifest;
  readonly rule: SingleReader;
  readonly checks: DraftChecks;
  readonly #options: DraftReadingOptions;
  readonly #parts: DraftReadingParts;
  readonly #failed = Promise.withResolvers<never>();
  readonly #followed = new Map<string, AbortController>();
  #signing: Promise<void> = Promise.resolve();

  constructor(options: DraftReadingOptions, parts: DraftReadingParts) {
    const { draft, self, isReachable, hasCompany } = options;
    this.#options = options;
    this.#parts = parts;
    this.#failed.promise.catch(() => undefined);
    const growing = new GrowingManifest(draft);
    this.growing = growing;
    this.rule = new SingleReader({ growing, self, isReachable, hasCompany, fetchers: () => this.#fetchers() });
    const onLie = (index: number): void => this.#lied(index);
    this.checks = new DraftChecks({ growing, self, onLie, onChanged: (error) => this.#failed.reject(error) }, parts);
    growing.onAdded((added) => this.checks.added(added));
  }

  /** Takes up what an earlier attempt has left. */
  async resume(): Promise<void> {
    for (const bytes of await this.#parts.runLog.read()) {
      const run = await verifyRun(bytes).catch(() => undefined);
      if (run?.draft === this.#options.draft.id && this.#isTrusted(run.reader)) this.growing.add(run);
    }
  }

  async run(signal: AbortSignal): Promise<never> {
    const { controller, release } = childController(signal);
    const loops = [this.#follow(controller.signal), this.#sign(controller.signal), this.checks.run(controller.signal)];
    try {
      return await Promise.race([this.#failed.promise, ...loops]);
    } finally {
      controller.abort();
      release();
      await Promise.allSettled(loops);
    }
  }

  /** What this node reads from its mount. */
  readonly listener: DraftReadingListener = {
    hashed: (index, hash) => {
      this.rule.heardFrom(this.#options.self, this.#parts.clock.monotonic());
      if (!this.growing.read(index, hash, this.#options.self)) this.#lied(index);
    },
    changed: (error) => this.#failed.reject(error),
  };

  /** Whether it is the peer whose piece is wrong, and not the hash: the mount decides. */
  async judge(index: number, peerId: string, signal: AbortSignal): Promise<boolean> {
    if (this.growing.readerOf(index) === peerId) return true;
    try {
      const hash = await this.checks.hash(index, signal);
      if (Buffer.compare(hash, pieceHash(this.growing.manifest, index)) === 0) return true;
    } catch (error) {
      if (codeOf(error) === 'changed') this.#failed.reject(error);
      return false;
    }
    this.#lied(index);
    return false;
  }

  /** Signs and keeps what this node has read, for others. */
  async flush(): Promise<void> {
    const { runs, runLog } = this.#parts;
    // One after the other, or two of the same moment would be told askew.
    this.#signing = this.#signing.then(async () => {
      for (const { first, hashes } of this.growing.takeUnsigned(RUN_MAX_PIECES)) {
        const run = await runs.sign({ draft: this.#options.draft.id, first, hashes });
        this.growing.signed(run);
        await runLog.append(run.bytes);
      }
    });
    await this.#signing;
  }

  #fetchers(): string[] {
    return this.#options.fetchers().filter((peerId) => this.#isTrusted(peerId));
  }

  #isTrusted(peerId: string): boolean {
    return !this.#options.refused.has(peerId) && this.#parts.blame.isAllowed({ kind: 'peer', id: peerId });
  }

  async #sign(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#parts.clock.sleep(SIGN_MS, signal);
      await this.flush();
    }
  }

  async #follow(signal: AbortSignal): Promise<never> {
    const { clock } = this.#parts;
    try {
      for (;;) {
        this.rule.elect(clock.monotonic());
        const wanted = this.rule.order.filter((peerId) => peerId !== this.#options.self).slice(0, FOLLOWED);
        for (const [peerId, controller] of this.#followed) if (!wanted.includes(peerId)) controller.abort();
        for (const peerId of wanted) if (!this.#followed.has(peerId)) void this.#hear(peerId, signal);
        await clock.sleep(FOLLOW_LOOK_MS, signal);
      }
    } finally {
      for (const controller of this.#followed.values()) controller.abort();
    }
  }

  async #hear(peerId: string, parent: AbortSignal): Promise<void> {
    const { clock, runs, log } = this.#parts;
    const { controller, release } = childController(parent);
    this.#followed.set(peerId, controller);
    const listener = { run: (run: HashRun) => this.#take(run, parent), upToDate: () => this.rule.answered() };
    const options = { maxRuns: this.growing.known.length, listener };
    try {
      const isOver = (): boolean => controller.signal.aborted;
      while (!isOver()) {
        try {
          await runs.follow(peerId, this.#options.draft.id, options, controller.signal);
        } catch (error) {
          if (isOver()) break;
          log.debug({ peer: peerId, problem: messageOf(error) }, 'growing manifest not heard');
          if (codeOf(error) === 'source-lied') this.#blame(peerId, undefined, messageOf(error));
        }
        await clock.sleep(FOLLOW_AGAIN_MS, controller.signal).catch(() => undefined);
      }
    } finally {
      release();
      if (this.#followed.get(peerId) === controller) this.#followed.delete(peerId);
    }
  }

  #take(run: HashRun, signal: AbortSignal): void {
    if (!this.#isTrusted(run.reader)) return;
    try {
      const { added, disputes } = this.growing.add(run);
      if (added.length > 0) {
        // Only news: what is told again, by whoever it is, shows nothing of its reader.
        this.rule.heardFrom(run.reader, this.#parts.clock.monotonic());
        void this.#parts.runLog.append(run.bytes);
      }
      for (const dispute of disputes) void this.#settle(dispute, signal);
    } catch (error) {
      this.#blame(run.reader, undefined, messageOf(error));
    }
  }

  /** Two readers tell different hashes of one piece: what the mount has is true. */
  async #settle({ index, reader, hash }: Dispute, signal: AbortSignal): Promise<void> {
    try {
      const found = await this.checks.hash(index, signal);
      if (Buffer.compare(found, hash) !== 0) this.#blame(reader, index, 'told a hash that the file does not have');
      if (Buffer.compare(found, pieceHash(this.growing.manifest, index)) !== 0) this.#lied(index);
    } catch (error) {
      if (codeOf(error) === 'changed') this.#failed.reject(error);
    }
  }

  /** The hash that was taken for this piece is not that of the file, and pieces may be here by the same word. */
  #lied(index: number): void {
    const { self } = this.#options;
    const reader = this.growing.readerOf(index);
    if (reader === undefined || reader === self) {
      // Read twice and different: somebody writes it and puts the time back.
      this.#failed.reject(new ShoalError('changed', "the origin's file gives other bytes each time that it is read"));
      return;
    }
    this.#blame(reader, index, 'told a hash that the file does not have');
    this.#failed.reject(new ShoalError('source-lied', 'pieces came by the hashes of a liar', { fields: { reader } }));
  }

  #blame(peerId: string, piece: number | undefined, detail: string): void {
    this.#options.refused.add(peerId);
    const sha256 = this.#options.draft.id;
    this.#parts.blame.strike({ kind: 'peer', id: peerId }, { reason: 'source-lied', sha256, piece, detail });
  }
}
