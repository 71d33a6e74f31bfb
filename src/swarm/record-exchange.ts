import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Stream } from '@libp2p/interface';
import { Bitfield } from '../content/bitfield.ts';
import type { Blake3Engine } from '../content/blake3.ts';
import { withDeadline } from '../util/deadline.ts';
import { ShoalError } from '../util/errors.ts';
import { FramedStream } from './framing.ts';
import type { KnownEntries } from './known-entries.ts';
import { META_MAX_BYTES, NodeRecord, RECORD_MAX_BYTES, RECORD_MAX_ENTRIES, recordHash } from './record.ts';
import { ENTRY_MAX_BYTES, hashOf, type RecordEntry } from './record-entry.ts';
import { type SignedHead, verifyHead } from './record-head.ts';
import { EntriesMessage, EntriesRequest, RecordOutline, RecordRequest } from './wire/gossip.js';

const HASH_BYTES = 32;
const REQUEST_MAX_BYTES = 128;
const OUTLINE_MAX_BYTES = RECORD_MAX_ENTRIES * HASH_BYTES + META_MAX_BYTES + 1024;
/** Entries are sent in frames of about this much; one that is larger has a frame for itself. */
const PART_BYTES = 256 * 1024;
const PART_MAX_BYTES = ENTRY_MAX_BYTES + PART_BYTES;
const ENTRIES_PER_TURN = 64;
const MESSAGE_MS = 15_000;

/** A record with the signed head that proves it. */
export interface SignedRecord {
  readonly head: Uint8Array;
  readonly record: NodeRecord;
}

/** Answers one request for a record: first the hashes of its entries, then those entries that the other side lacks. */
export async function serveRecord(
  stream: Stream,
  find: (peerId: Uint8Array) => Promise<SignedRecord | undefined>,
  signal: AbortSignal,
): Promise<void> {
  const frames = new FramedStream(stream, { maxBytes: REQUEST_MAX_BYTES });
  const { peerId } = RecordRequest.decode(await inTime((s) => frames.expect(s), signal));
  const found = await find(peerId);
  const outline = RecordOutline.encode({
    head: Uint8Array.from(found?.head ?? []),
    meta: Uint8Array.from(found?.record.metaBytes ?? []),
    entryHashes: Uint8Array.from(found?.record.entries.hashes ?? []),
  });
  await inTime((s) => frames.write(outline, s), signal);
  if (found !== undefined && found.record.entries.size > 0) {
    const { record } = found;
    const count = record.entries.size;
    const request = await inTime((s) => frames.read(s, Math.ceil(count / 8) + 16), signal);
    if (request !== undefined) {
      const wanted = Bitfield.fromBytes(EntriesRequest.decode(request).wanted, count);
      const entries = Array.from(wanted.indices(), (index) => record.entries.at(index));
      for (const part of inParts(entries.filter((entry) => entry !== undefined))) {
        await inTime((s) => frames.write(EntriesMessage.encode({ entries: part }), s), signal);
      }
    }
  }
  await inTime((s) => frames.close(s), signal);
}

/**
 * Asks for the record of `peerId` and takes nothing on trust: the head is signed by its owner, the hashes of the entries
 * add up to the head's, and each entry has one of these hashes. Nothing is kept before its limit is checked.
 * @returns undefined when the other side does not know it
 * @throws ShoalError `invalid` or `source-lied` for a hostile answer, `source-gone`
 */
export async function fetchRecord(
  stream: Stream,
  wanted: { readonly peerId: Uint8Array; readonly entries: KnownEntries },
  blake3: Blake3Engine,
  signal: AbortSignal,
): Promise<{ signed: SignedHead; record: NodeRecord } | undefined> {
  const frames = new FramedStream(stream, { maxBytes: OUTLINE_MAX_BYTES });
  const request = RecordRequest.encode({ peerId: Uint8Array.from(wanted.peerId) });
  await inTime((s) => frames.write(request, s), signal);
  const outline = decodeOutline(await inTime((s) => frames.expect(s), signal));
  if (outline.head.length === 0) return undefined;
  const signed = await verifyHead(outline.head);
  const metaBytes = outline.meta.slice();
  if (recordHash(metaBytes, outline.entryHashes, blake3) !== signed.head.recordHash) {
    throw new ShoalError('invalid', 'a record that is not the one its head names');
  }
  const hashes = splitHashes(outline.entryHashes);
  const entries = new Map<string, RecordEntry | undefined>();
  const missing = new Bitfield(hashes.length);
  hashes.forEach((hash, index) => {
    const known = wanted.entries.find(hash);
    entries.set(hash, known);
    if (known === undefined) missing.add(index);
  });
  if (entries.size !== hashes.length) throw new ShoalError('invalid', 'a record with an entry twice');
  if (hashes.length > 0) {
    await inTime((s) => frames.write(EntriesRequest.encode({ wanted: Uint8Array.from(missing.toBytes()) }), s), signal);
    await receiveEntries(frames, entries, missing.count, { known: wanted.entries, blake3 }, signal);
  }
  await inTime((s) => frames.close(s), signal);
  return {
    signed,
    record: NodeRecord.of(
      metaBytes,
      [...entries.values()].filter((entry) => entry !== undefined),
    ),
  };
}

async function receiveEntries(
  frames: FramedStream,
  entries: Map<string, RecordEntry | undefined>,
  count: number,
  { known, blake3 }: { readonly known: KnownEntries; readonly blake3: Blake3Engine },
  signal: AbortSignal,
): Promise<void> {
  let missing = count;
  let bytes = 0;
  while (missing > 0) {
    const part = await inTime((s) => frames.expect(s, PART_MAX_BYTES), signal);
    bytes += part.length;
    if (bytes > RECORD_MAX_BYTES + PART_MAX_BYTES)
      throw new ShoalError('source-lied', 'more entries than a record may have');
    for (const encoded of decodeEntries(part, missing)) {
      const hash = hashOf(encoded, blake3);
      if (!entries.has(hash) || entries.get(hash) !== undefined) {
        throw new ShoalError('source-lied', 'an entry that was not asked for');
      }
      // Another record may have brought it meanwhile.
      entries.set(hash, known.get(encoded));
      missing -= 1;
      // Checking an entry takes 50 to 100 µs: others get their turn in between.
      if (missing % ENTRIES_PER_TURN === 0) await nextTurn();
    }
  }
}

function inTime<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return withDeadline(MESSAGE_MS, work, signal);
}

function* inParts(entries: readonly RecordEntry[]): IterableIterator<Uint8Array<ArrayBuffer>[]> {
  let part: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (part.length > 0 && bytes + entry.bytes.length > PART_BYTES) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(Uint8Array.from(entry.bytes));
    bytes += entry.bytes.length;
  }
  if (part.length > 0) yield part;
}

function splitHashes(bytes: Uint8Array): string[] {
  if (bytes.length % HASH_BYTES !== 0) throw new ShoalError('invalid', 'hashes that are no whole number of hashes');
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, index) => hex.slice(64 * index, 64 * index + 64));
}

function decodeOutline(bytes: Uint8Array): RecordOutline {
  try {
    return RecordOutline.decode(bytes);
  } catch (error) {
    throw new ShoalError('invalid', 'an outline that cannot be decoded', { cause: error });
  }
}

function decodeEntries(bytes: Uint8Array, limit: number): Uint8Array[] {
  try {
    const { entries } = EntriesMessage.decode(bytes, { limits: { entries: limit } });
    if (entries.length > 0) return entries;
  } catch (error) {
    throw new ShoalError('invalid', 'entries that cannot be decoded', { cause: error });
  }
  throw new ShoalError('source-lied', 'entries were asked for, and none came');
}
