import { isIP } from 'node:net';
import type { Blake3Engine } from '../content/blake3.ts';
import { ShoalError } from '../util/errors.ts';
import { parseHostPort } from '../util/host-port.ts';
import { type EntryChange, EntryList } from './entry-list.ts';
import type { RecordEntry } from './record-entry.ts';
import { decodeText, encodeText } from './text.ts';
import { MetaMessage } from './wire/record.js';

/** What a record says of its node. */
export interface RecordMeta {
  readonly name: string;
  /** Multiaddrs, without the peer id. */
  readonly addresses: readonly string[];
  /** `host:port` of the lane. */
  readonly lane?: string;
  /** URL of the HTTP API. */
  readonly api?: string;
  /** Engines of the node; absent where it tells of none. */
  readonly pools?: readonly RecordPool[];
}

export interface RecordPool {
  readonly id: string;
  readonly ready: boolean;
}

export const RECORD_MAX_ENTRIES = 100_000;
export const RECORD_MAX_BYTES = 32 * 1024 * 1024;
export const META_MAX_BYTES = 16 * 1024;
const MAX_ADDRESSES = 32;
const MAX_NAME_BYTES = 256;
const MAX_ADDRESS_BYTES = 512;
const MAX_POOLS = 64;
const MAX_POOL_ID_BYTES = 128;
const DOMAIN = new TextEncoder().encode('shoal record 1\0');

/** What leads from one record to the next. */
export interface RecordChange extends EntryChange {
  readonly meta?: { readonly meta: RecordMeta; readonly bytes: Uint8Array };
}

/**
 * A node's statement of its catalog, never changed: a change makes a new one that shares the entries. Its hash is over
 * the hashes of its parts, so a change costs 32 bytes for each entry and no encoding.
 */
export class NodeRecord {
  readonly meta: RecordMeta;
  readonly metaBytes: Uint8Array;
  readonly entries: EntryList;
  #hash: string | undefined;

  private constructor(fields: Pick<NodeRecord, 'meta' | 'metaBytes' | 'entries'>) {
    const { meta, metaBytes, entries } = fields;
    const sizeBytes = metaBytes.length + entries.sizeBytes;
    if (entries.size > RECORD_MAX_ENTRIES || sizeBytes > RECORD_MAX_BYTES) {
      throw new ShoalError('invalid', `a record of ${entries.size} entries and ${sizeBytes} bytes is too large`);
    }
    this.meta = meta;
    this.metaBytes = metaBytes;
    this.entries = entries;
  }

  static empty(meta: RecordMeta): NodeRecord {
    return new NodeRecord({ meta, metaBytes: encodeMeta(meta), entries: EntryList.empty });
  }

  /** @throws ShoalError `invalid` above a limit or with a key twice */
  static of(metaBytes: Uint8Array, entries: Iterable<RecordEntry>): NodeRecord {
    return new NodeRecord({ meta: decodeMeta(metaBytes), metaBytes, entries: EntryList.of(entries) });
  }

  get sizeBytes(): number {
    return this.metaBytes.length + this.entries.sizeBytes;
  }

  /** @throws ShoalError `invalid` above a limit */
  with(change: RecordChange): NodeRecord {
    const { meta, bytes: metaBytes } = change.meta ?? { meta: this.meta, bytes: this.metaBytes };
    return new NodeRecord({ meta, metaBytes, entries: this.entries.with(change) });
  }

  /** The same record over entries that are kept elsewhere, where there is an equal one. */
  sharing(kept: (hash: string) => RecordEntry | undefined): NodeRecord {
    const { meta, metaBytes } = this;
    return new NodeRecord({ meta, metaBytes, entries: this.entries.sharing(kept) });
  }

  hash(blake3: Blake3Engine): string {
    this.#hash ??= recordHash(this.metaBytes, this.entries.hashes, blake3);
    return this.#hash;
  }
}

/** @param entryHashes 32 bytes each, sorted */
export function recordHash(metaBytes: Uint8Array, entryHashes: Uint8Array, blake3: Blake3Engine): string {
  const digest = blake3.create().update(DOMAIN).update(blake3.hash(metaBytes)).update(entryHashes).digest();
  return Buffer.from(digest).toString('hex');
}

export function encodeMeta(meta: RecordMeta): Uint8Array {
  return MetaMessage.encode({
    name: encodeText(meta.name),
    addresses: meta.addresses.slice(0, MAX_ADDRESSES).map(encodeText),
    lane: encodeText(meta.lane ?? ''),
    api: encodeText(meta.api ?? ''),
    pools: (meta.pools ?? [])
      .filter(({ id }) => Buffer.byteLength(id) <= MAX_POOL_ID_BYTES)
      .slice(0, MAX_POOLS)
      .map(({ id, ready }) => ({ id: encodeText(id), ready })),
  });
}

/** @throws ShoalError `invalid` */
export function decodeMeta(bytes: Uint8Array): RecordMeta {
  if (bytes.length > META_MAX_BYTES) throw new ShoalError('invalid', `${bytes.length} bytes about a node`);
  const message = parseMeta(bytes);
  const name = decodeText(message.name, MAX_NAME_BYTES);
  if (name === '' || /\p{Cc}/u.test(name)) throw new ShoalError('invalid', 'a node whose name cannot be shown');
  const lane = decodeText(message.lane, MAX_ADDRESS_BYTES);
  if (lane !== '') parseHostPort(lane, '');
  const api = decodeText(message.api, MAX_ADDRESS_BYTES);
  if (api !== '' && !/^https?:$/.test(URL.parse(api)?.protocol ?? ''))
    throw new ShoalError('invalid', 'an API without URL');
  const addresses = message.addresses.map((address) => parseAddress(decodeText(address, MAX_ADDRESS_BYTES)));
  const pools = message.pools.map(({ id, ready }) => ({ id: parsePoolId(id), ready }));
  return {
    name,
    addresses,
    ...(lane === '' ? {} : { lane }),
    ...(api === '' ? {} : { api }),
    ...(pools.length === 0 ? {} : { pools }),
  };
}

function parsePoolId(bytes: Uint8Array): string {
  const id = decodeText(bytes, MAX_POOL_ID_BYTES);
  if (id === '' || /\p{Cc}/u.test(id)) throw new ShoalError('invalid', 'a pool whose id cannot be shown');
  return id;
}

/** What a node tells of where it listens, loopback last, in the form that `decodeMeta` accepts. */
export function announcedAddresses(listening: readonly { toString(): string }[]): string[] {
  const addresses = listening.map((address) => address.toString().replace(/\/p2p\/[^/]+$/, '')).filter(isAddress);
  const isLoopback = (address: string): boolean => /^\/ip4\/127\.|^\/ip6\/::1\//.test(address);
  return [...addresses.filter((a) => !isLoopback(a)), ...addresses.filter(isLoopback)].slice(0, MAX_ADDRESSES);
}

/** TCP addresses only: nothing else can be dialled, and nothing else should be. */
function isAddress(text: string): boolean {
  const [, kind, host = '', port] =
    /^\/(ip4|ip6|dns|dns4|dns6)\/([^/\p{Cc}]{1,255})\/tcp\/(\d{1,5})$/u.exec(text) ?? [];
  const family = kind === 'ip4' ? 4 : kind === 'ip6' ? 6 : 0;
  return kind !== undefined && Number(port) > 0 && Number(port) <= 65_535 && isIP(host) === family;
}

function parseAddress(text: string): string {
  if (!isAddress(text))
    throw new ShoalError('invalid', `${JSON.stringify(text.slice(0, 100))} is no address of a node`);
  return text;
}

function parseMeta(bytes: Uint8Array): MetaMessage {
  try {
    return MetaMessage.decode(bytes, { limits: { addresses: MAX_ADDRESSES, pools: MAX_POOLS } });
  } catch (error) {
    throw new ShoalError('invalid', 'a record without readable facts about its node', { cause: error });
  }
}
