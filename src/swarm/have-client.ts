import type { Sha256 } from '../content/digest.ts';
import { childController, withDeadline } from '../util/deadline.ts';
import { ShoalError } from '../util/errors.ts';
import type { ReportedPieces } from './availability.ts';
import { FramedStream } from './framing.ts';
import { MAX_WATCHED_BLOBS } from './have-server.ts';
import type { Links } from './links.ts';
import { HAVE_PROTOCOL } from './protocols.ts';
import { announceWindowSeldom } from './receive-window.ts';
import { HaveReport, HaveRequest } from './wire/exchange.js';

/** 32 TiB in pieces of 16 MiB: the largest blob that has a manifest. */
const MAX_PIECES = 2 ** 21;
const REPORT_MAX_BYTES = MAX_PIECES / 8 + 1024;
const OPEN_MS = 5_000;

/** What one peer tells of its have maps, over one stream that lives while anything is watched. */
export class HaveReader {
  readonly #peerId: string;
  readonly #links: Links;
  readonly #watched = new Map<Sha256, Set<ReportedPieces>>();
  #frames: FramedStream | undefined;
  #stop: () => void = () => undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: { peerId: string }, parts: { links: Links }) {
    this.#peerId = options.peerId;
    this.#links = parts.links;
  }

  get idle(): boolean {
    return this.#watched.size === 0;
  }

  find(sha256: Sha256, pieceCount: number): ReportedPieces | undefined {
    for (const view of this.#watched.get(sha256) ?? []) if (view.pieceCount === pieceCount) return view;
    return undefined;
  }

  /** Keeps the view up to date; false when too much of this peer is watched already. */
  watch(sha256: Sha256, view: ReportedPieces, signal: AbortSignal): boolean {
    const views = this.#watched.get(sha256) ?? new Set<ReportedPieces>();
    if (views.size === 0 && this.#watched.size >= MAX_WATCHED_BLOBS) return false;
    this.#watched.set(sha256, views.add(view));
    // Asking again brings a snapshot, which a second view needs as much as the first.
    this.#ask(sha256, true, signal);
    return true;
  }

  /** Lets go of what nobody uses. */
  sweep(signal: AbortSignal): void {
    for (const [sha256, views] of this.#watched) {
      for (const view of views) if (!view.stillUsed()) views.delete(view);
      if (views.size > 0) continue;
      this.#watched.delete(sha256);
      this.#ask(sha256, false, signal);
    }
    if (this.idle) this.#stop();
  }

  /** Opens the stream, asks for what is watched and reads until the stream or the watching ends. */
  async run(signal: AbortSignal): Promise<void> {
    const { controller, release } = childController(signal);
    this.#stop = () => controller.abort(new DOMException('nothing is watched any more', 'AbortError'));
    try {
      const stream = await withDeadline(
        OPEN_MS,
        (deadline) => this.#links.openStream(this.#peerId, HAVE_PROTOCOL, deadline),
        controller.signal,
      );
      announceWindowSeldom(stream);
      const frames = new FramedStream(stream, { maxBytes: REPORT_MAX_BYTES });
      this.#frames = frames;
      for (const sha256 of this.#watched.keys()) this.#ask(sha256, true, controller.signal);
      try {
        for (;;) {
          const message = await frames.read(controller.signal);
          if (message === undefined) return;
          this.#take(decodeReport(message));
        }
      } catch (error) {
        frames.abort(error instanceof Error ? error : new Error(String(error)));
        throw error;
      }
    } finally {
      release();
      this.#frames = undefined;
      this.#stop = () => undefined;
      for (const views of this.#watched.values()) for (const view of views) view.lose();
    }
  }

  #take(report: HaveReport): void {
    const { buffer, byteOffset, byteLength } = report.sha256;
    const views = this.#watched.get(Buffer.from(buffer, byteOffset, byteLength).toString('hex'));
    for (const view of [...(views ?? [])]) view.report(report);
  }

  #ask(sha256: Sha256, watch: boolean, signal: AbortSignal): void {
    const frames = this.#frames;
    if (frames === undefined) return;
    const request = HaveRequest.encode({ sha256: Uint8Array.from(Buffer.from(sha256, 'hex')), watch });
    this.#writing = this.#writing
      .then(() => frames.write(request, signal))
      .catch((error: unknown) => frames.abort(error instanceof Error ? error : new Error(String(error))));
  }
}

function decodeReport(bytes: Uint8Array): HaveReport {
  try {
    return HaveReport.decode(bytes, { limits: { delta: { steps: MAX_PIECES } } });
  } catch (error) {
    throw new ShoalError('source-lied', 'a have map that cannot be decoded', { cause: error });
  }
}
