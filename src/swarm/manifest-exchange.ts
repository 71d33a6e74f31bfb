import type { Stream } from '@libp2p/interface';
import type { Blake3Engine } from '../content/blake3.ts';
import { manifestCid, parseManifestCid } from '../content/cid.ts';
import { MANIFEST_MAX_BYTES } from '../content/manifest.ts';
import { withDeadline } from '../util/deadline.ts';
import { codeOf, ShoalError } from '../util/errors.ts';
import { FramedStream } from './framing.ts';
import type { Links } from './links.ts';
import { MANIFEST_PROTOCOL } from './protocols.ts';
import { decodeText, encodeText } from './text.ts';
import { ManifestReply } from './wire/exchange.js';

export type ManifestLookup = (cid: string) => Promise<Uint8Array | undefined>;

const CID_MAX_BYTES = 128;
const REPLY_MAX_BYTES = 64;
const PART_BYTES = 256 * 1024;
const MESSAGE_MS = 10_000;
/** A manifest may have 64 MiB, so few at a time; most have less than one. */
const MAX_FETCHES = 4;

/** Manifests by their CID, from anyone: the CID proves what comes. */
export class ManifestExchange {
  readonly #links: Links;
  readonly #blake3: Blake3Engine;
  #fetching = 0;
  readonly #queue: (() => void)[] = [];

  constructor(parts: { links: Links; blake3: Blake3Engine }) {
    this.#links = parts.links;
    this.#blake3 = parts.blake3;
  }

  serve(lookup: ManifestLookup): Promise<void> {
    return this.#links.handle(MANIFEST_PROTOCOL, (stream, _peerId, closing) => answer(stream, lookup, closing), {
      maxInboundStreams: 8,
    });
  }

  /**
   * The bytes of a manifest, verified against its CID.
   * @param maxBytes what the blob's size allows for, where it is known
   * @throws ShoalError `not-found`, `source-lied`, `source-gone`
   */
  async fetch(
    peerId: string,
    cid: string,
    signal: AbortSignal,
    { maxBytes = MANIFEST_MAX_BYTES }: { readonly maxBytes?: number } = {},
  ): Promise<Uint8Array> {
    await this.#turn(signal);
    try {
      const stream = await withDeadline(
        MESSAGE_MS,
        (deadline) => this.#links.openStream(peerId, MANIFEST_PROTOCOL, deadline),
        signal,
      );
      try {
        return await this.#ask(stream, cid, maxBytes, signal);
      } catch (error) {
        stream.abort(error instanceof Error ? error : new Error(String(error)));
        throw withPeer(error, peerId, signal);
      }
    } finally {
      this.#fetching -= 1;
      this.#queue.shift()?.();
    }
  }

  async #ask(stream: Stream, cid: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const frames = new FramedStream(stream, { maxBytes: REPLY_MAX_BYTES });
    await inTime((s) => frames.write(encodeText(cid), s), signal);
    const { found, sizeBytes } = ManifestReply.decode(await inTime((s) => frames.expect(s), signal));
    if (!found) throw new ShoalError('not-found', `the peer does not have the manifest ${cid}`);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes > maxBytes) {
      throw new ShoalError('source-lied', `a manifest of ${sizeBytes} bytes where at most ${maxBytes} can be right`);
    }
    const parts: Uint8Array[] = [];
    for (let received = 0; received < sizeBytes; ) {
      const part = await inTime((s) => frames.expect(s, Math.min(PART_BYTES, sizeBytes - received)), signal);
      if (part.length === 0) throw new ShoalError('source-lied', 'a manifest in empty parts');
      parts.push(part);
      received += part.length;
    }
    const bytes = new Uint8Array(Buffer.concat(parts));
    if (manifestCid(bytes, this.#blake3) !== cid) {
      throw new ShoalError('source-lied', `what came is not the manifest ${cid}`);
    }
    await inTime((s) => frames.close(s), signal);
    return bytes;
  }

  async #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (this.#fetching >= MAX_FETCHES) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
      if (signal.aborted) this.#queue.shift()?.();
      signal.throwIfAborted();
    }
    this.#fetching += 1;
  }
}

async function answer(stream: Stream, lookup: ManifestLookup, signal: AbortSignal): Promise<void> {
  const frames = new FramedStream(stream, { maxBytes: CID_MAX_BYTES });
  const cid = parseManifestCid(decodeText(await inTime((s) => frames.expect(s), signal), CID_MAX_BYTES));
  const bytes = await lookup(cid);
  const reply = ManifestReply.encode({ found: bytes !== undefined, sizeBytes: bytes?.length ?? 0 });
  await inTime((s) => frames.write(reply, s), signal);
  for (let sent = 0; bytes !== undefined && sent < bytes.length; sent += PART_BYTES) {
    await inTime((s) => frames.write(bytes.subarray(sent, sent + PART_BYTES), s), signal);
  }
  await inTime((s) => frames.close(s), signal);
}

function inTime<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return withDeadline(MESSAGE_MS, work, signal);
}

/** Who it was belongs to the error; a peer that is only slow is one that cannot be used now. */
function withPeer(error: unknown, peerId: string, signal: AbortSignal): unknown {
  if (signal.aborted) return error;
  const code = codeOf(error) === 'internal' ? 'source-gone' : codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  return new ShoalError(code, message, { cause: error, fields: { peer: peerId } });
}
