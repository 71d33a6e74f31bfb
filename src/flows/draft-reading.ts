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
  /** It is of the fleet now, by its record. */
  readonly isMember: (peerId: string) => boolean;
  readonly hasCompany: () => boolean;
  /** Who was found to lie about this draft; added to here. */
  readonly refused: Set<string>;
}

export interface DraftReadingParts extends DraftChecksParts {
  readonly runs: Pick<RunExchange, 'sign' | 'follow'>;
  readonly runLog: Pick<RunLog, 'read' | 'append' | 'close'>;
  readonly blame: BlameLedger;
  readonly clock: Clock;
  readonly log: Log;
}

const SIGN_MS = 100;
const FOLLOW_LOOK_MS = 200;
const FOLLOW_AGAIN_MS = 1_000;
/** While nothing is read before it is heard: who begins at the same moment does not know of the draft yet. */
const FOLLOW_SOON_MS = 100;
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
  /** Those with whose word another's is being compared: a piece is read for each once at a time. */
  readonly #settling = new Set<string>();
  #signing: Promise<void> = Promise.resolve();

  constructor(options: DraftReadingOptions, parts: DraftReadingParts) {
    const { draft, self, isReachable, hasCompany } = options;
    this.#options = options;
    this.#parts = parts;
    this.#failed.promise.catch(() => undefined);
    const growing = new GrowingManifest(draft, self);
    this.growing = growing;
    this.rule = new SingleReader({ growing, self, isReachable, hasCompany, fetchers: () => this.#fetchers() });
    const onLie = (index: number): void => this.#lied(index);
    this.checks = new DraftChecks({ growing, self, onLie, onChanged: (error) => this.#failed.reject(error) }, parts);
    growing.onAdded((added) => this.checks.added(added));
  }

  /** Takes up what an earlier attempt has left. Whoever passed it on is not known any more, so nobody is blamed here. */
  async resume(): Promise<void> {
    for (const bytes of await this.#parts.runLog.read()) {
      try {
        const run = await verifyRun(bytes);
        if (run.draft === this.#options.draft.id && !this.#options.refused.has(run.reader)) this.growing.add(run);
      } catch (error) {
        this.#parts.log.debug({ problem: messageOf(error) }, 'run of an earlier attempt passed over');
      }
    }
  }

  /** Writes nothing more: what is left of the draft on the disk may be thrown away. */
  async close(): Promise<void> {
    await this.#parts.runLog.close();
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
      if (!this.growing.read(index, hash)) this.#lied(index);
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

  /** Who may read. One that is blamed for something else is not asked for a while, but its hashes may be right. */
  #fetchers(): string[] {
    const { fetchers, refused } = this.#options;
    const isAllowed = (peerId: string): boolean => this.#parts.blame.isAllowed({ kind: 'peer', id: peerId });
    return fetchers().filter((peerId) => !refused.has(peerId) && isAllowed(peerId));
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
    const listener = { run: (run: HashRun) => this.#take(run, peerId, parent), upToDate: () => this.rule.answered() };
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
        await clock
          .sleep(this.rule.isSettling ? FOLLOW_SOON_MS : FOLLOW_AGAIN_MS, controller.signal)
          .catch(() => undefined);
      }
    } finally {
      release();
      if (this.#followed.get(peerId) === controller) this.#followed.delete(peerId);
    }
  }

  /** A key costs nothing: for the word of who is not of the fleet, or not any more, the peer that passes it on answers. */
  #take(run: HashRun, relayer: string, signal: AbortSignal): void {
    const { self, refused, isMember } = this.#options;
    if (signal.aborted || refused.has(run.reader) || refused.has(relayer)) return;
    const isOfFleet = run.reader === self || isMember(run.reader);
    try {
      const { added, disputes } = this.growing.add(run, isOfFleet ? run.reader : relayer);
      if (added.length > 0) {
        // Only news: what is told again, by whoever it is, shows nothing of its reader.
        if (isOfFleet) this.rule.heardFrom(run.reader, this.#parts.clock.monotonic(), added.length);
        void this.#parts.runLog.append(run.bytes);
      }
      for (const dispute of disputes) void this.#settle(dispute, signal);
    } catch (error) {
      const { sayer } = error instanceof ShoalError ? error.fields : {};
      this.#blame(typeof sayer === 'string' ? sayer : relayer, undefined, messageOf(error));
    }
  }

  /**
   * Two tell different hashes of one piece: what the mount has is true. What the same one disputes meanwhile is left:
   * this dispute finds out one of the two.
   */
  async #settle({ index, sayer, hash }: Dispute, signal: AbortSignal): Promise<void> {
    if (this.#settling.has(sayer) || this.#options.refused.has(sayer)) return;
    this.#settling.add(sayer);
    try {
      const found = await this.checks.hash(index, signal);
      if (Buffer.compare(found, hash) !== 0) this.#blame(sayer, index, 'told a hash that the file does not have');
      if (Buffer.compare(found, pieceHash(this.growing.manifest, index)) !== 0) this.#lied(index);
    } catch (error) {
      if (codeOf(error) === 'changed') this.#failed.reject(error);
    } finally {
      this.#settling.delete(sayer);
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
    // Somebody who has left is refused here, but nothing is remembered of a name that nobody bears.
    if (!this.#options.isMember(peerId)) return;
    const sha256 = this.#options.draft.id;
    this.#parts.blame.strike({ kind: 'peer', id: peerId }, { reason: 'source-lied', sha256, piece, detail });
  }
}
