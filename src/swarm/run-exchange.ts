import type { Ed25519PrivateKey, Stream } from '@libp2p/interface';
import { isSha256, type Sha256 } from '../content/digest.ts';
import { childController, withDeadline } from '../util/deadline.ts';
import { codeOf, ShoalError } from '../util/errors.ts';
import { Wake } from '../util/wake.ts';
import { FramedStream } from './framing.ts';
import { type HashRun, RUN_MAX_BYTES, signRun, verifyRun } from './hash-run.ts';
import type { Links } from './links.ts';
import { RUNS_PROTOCOL } from './protocols.ts';
import { RunsRequest } from './wire/runs.js';

/** The runs of one draft that this node knows; the list only grows. */
export interface RunFeed {
  readonly runs: readonly HashRun[];
  /** Calls back when there are more; returns what ends that. */
  onRun(listener: () => void): () => void;
}

export interface RunListener {
  run(run: HashRun): void;
  /** All that was known there when it was asked has been told. */
  upToDate(): void;
}

const REQUEST_MAX_BYTES = 64;
const MESSAGE_MS = 10_000;
const IDLE_LOOK_MS = 30_000;
/** A node fetches a few drafts at a time. */
const STREAMS_PER_PEER = 32;
const MARK = new Uint8Array(0);

/** Growing manifests: the signed runs of hashes of files that are being read for the first time, from anyone who has them. */
export class RunExchange {
  readonly #links: Links;
  readonly #key: Ed25519PrivateKey;

  constructor(options: { readonly privateKey: Ed25519PrivateKey }, parts: { readonly links: Links }) {
    this.#key = options.privateKey;
    this.#links = parts.links;
  }

  sign(run: Omit<HashRun, 'reader' | 'bytes'>): Promise<HashRun> {
    return signRun(run, this.#key);
  }

  serve(find: (draft: Sha256) => RunFeed | undefined): Promise<void> {
    return this.#links.handle(RUNS_PROTOCOL, (stream, _peerId, closing) => answer(stream, find, closing), {
      maxInboundStreams: STREAMS_PER_PEER,
    });
  }

  /**
   * Hears a peer's runs of a draft, each proved by its signature, until the peer ends it.
   * @param options.maxRuns an honest peer passes on only runs that brought something, so at most one for each piece
   * @throws ShoalError `source-gone`, `source-lied`
   */
  async follow(
    peerId: string,
    draft: Sha256,
    options: { readonly maxRuns: number; readonly listener: RunListener },
    signal: AbortSignal,
  ): Promise<void> {
    const open = (deadline: AbortSignal): Promise<Stream> => this.#links.openStream(peerId, RUNS_PROTOCOL, deadline);
    const stream = await withDeadline(MESSAGE_MS, open, signal);
    const frames = new FramedStream(stream, { maxBytes: RUN_MAX_BYTES });
    try {
      const request = RunsRequest.encode({ draft: Uint8Array.from(Buffer.from(draft, 'hex')) });
      await withDeadline(MESSAGE_MS, (deadline) => frames.write(request, deadline), signal);
      for (let runs = 0; ; ) {
        const message = await frames.read(signal);
        if (message === undefined) return;
        if (message.length === 0) options.listener.upToDate();
        else {
          runs += 1;
          if (runs > options.maxRuns) throw new ShoalError('source-lied', 'more runs than the file has pieces');
          options.listener.run(await provedRun(message, draft));
        }
      }
    } catch (error) {
      frames.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      await frames.close(AbortSignal.timeout(1_000));
    }
  }
}

async function provedRun(bytes: Uint8Array, draft: Sha256): Promise<HashRun> {
  try {
    const run = await verifyRun(bytes);
    if (run.draft === draft) return run;
  } catch (error) {
    if (codeOf(error) !== 'invalid') throw error;
    throw new ShoalError('source-lied', 'a run of hashes that nobody has signed', { cause: error });
  }
  throw new ShoalError('source-lied', 'a run of another file');
}

async function answer(
  stream: Stream,
  find: (draft: Sha256) => RunFeed | undefined,
  closing: AbortSignal,
): Promise<void> {
  const frames = new FramedStream(stream, { maxBytes: REQUEST_MAX_BYTES });
  const request = await withDeadline(MESSAGE_MS, (deadline) => frames.expect(deadline), closing);
  const draft = Buffer.from(RunsRequest.decode(request).draft).toString('hex');
  const feed = isSha256(draft) ? find(draft) : undefined;
  if (feed === undefined) {
    await frames.close(AbortSignal.timeout(1_000));
    return;
  }
  const { controller, release } = childController(closing);
  const wake = new Wake();
  const unlisten = feed.onRun(() => wake.notify());
  // The asker says nothing more: whatever comes is its end.
  const ended = frames.read(controller.signal).then(
    () => controller.abort(new DOMException('the asker has gone', 'AbortError')),
    () => controller.abort(new DOMException('the asker has gone', 'AbortError')),
  );
  try {
    await tell(frames, { feed, wake }, controller.signal);
  } catch (error) {
    if (!controller.signal.aborted || closing.aborted) throw error;
  } finally {
    unlisten();
    controller.abort();
    release();
    await ended;
    await frames.close(AbortSignal.timeout(1_000));
  }
}

async function tell(frames: FramedStream, of: { feed: RunFeed; wake: Wake }, signal: AbortSignal): Promise<never> {
  const { feed, wake } = of;
  const write = (bytes: Uint8Array): Promise<void> =>
    withDeadline(MESSAGE_MS, (deadline) => frames.write(bytes, deadline), signal);
  const known = feed.runs.length;
  let isMarked = false;
  for (let sent = 0; ; ) {
    for (; sent < feed.runs.length && (isMarked || sent < known); sent += 1) {
      await write((feed.runs[sent] as HashRun).bytes);
    }
    if (!isMarked) await write(MARK);
    isMarked = true;
    if (sent === feed.runs.length) await wake.wait(IDLE_LOOK_MS, signal);
  }
}
