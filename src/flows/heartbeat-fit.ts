import { HEARTBEAT_LIMITS } from '../util/heartbeat-limits.ts';
import type { Log } from '../util/log.ts';
import type { HeartbeatDocument, IncomingModel, PoolStatus } from './heartbeat-documents.ts';

/** Each change of a transfer sends a heartbeat: nobody plans with what is behind a thousand others. */
const INCOMING_MAX = 1_000;
/** Of the body, for names; the rest is for what is on its way. */
const NAMES_SHARE = 7 / 8;
/** `":"sha256:<64>",` */
const DIGEST_BYTES = 80;
/** Numbers grow a little between the count and the sending. */
const SLACK_BYTES = 16 * 1024;
const REMEDY =
  'Models beyond that are fetched and served, but no orchestrator places by them: keep fewer on this node.';

/**
 * Makes a heartbeat one that orchestrators take: they refuse a whole body for one list that is too long, and a node that
 * is refused for 30 s is out of the fleet. Ids go before aliases, and what moves before what is queued.
 */
export class HeartbeatFit {
  readonly #log: Log;
  readonly #isId: (name: string) => boolean;
  #kept: { readonly of: readonly string[]; readonly lists: number; readonly names: readonly string[] } | undefined;
  readonly #told = new Set<string>();

  constructor(parts: { readonly log: Log; readonly isId: (name: string) => boolean }) {
    this.#log = parts.log;
    this.#isId = parts.isId;
  }

  fit(whole: HeartbeatDocument): HeartbeatDocument {
    const pools = whole.pools.slice(0, HEARTBEAT_LIMITS.pools);
    this.#tell('pools', whole.pools.length, pools.length);
    const frameBytes = jsonBytes({ ...whole, pools: pools.map(withoutNames), ...EMPTY }) + SLACK_BYTES;
    const names = this.#namesThatFit(whole.models_available, pools.length + 1, frameBytes);
    this.#tell('models_available', whole.models_available.length, names.length);
    const isWhole = names === whole.models_available;
    const usedBytes = frameBytes + bytesOf(names, pools.length + 1);
    return {
      ...whole,
      pools: isWhole ? pools : pools.map((pool) => ({ ...pool, models_available: names })),
      models_available: names,
      models_incoming: firstOf(whole.models_incoming, HEARTBEAT_LIMITS.bodyBytes - usedBytes),
      model_digests: isWhole ? whole.model_digests : digestsOf(whole.model_digests, names),
    };
  }

  /** Many heartbeats say the same: they are counted once. */
  #namesThatFit(given: readonly string[], lists: number, frameBytes: number): readonly string[] {
    if (this.#kept?.of !== given || this.#kept.lists !== lists) {
      this.#kept = { of: given, lists, names: this.#chosen(given, lists, frameBytes) };
    }
    return this.#kept.names;
  }

  #chosen(given: readonly string[], lists: number, frameBytes: number): readonly string[] {
    let leftBytes = HEARTBEAT_LIMITS.bodyBytes * NAMES_SHARE - frameBytes;
    if (given.length <= HEARTBEAT_LIMITS.names && bytesOf(given, lists) <= leftBytes) return given;
    const chosen: string[] = [];
    const ids = given.filter((name) => this.#isId(name));
    const aliases = given.filter((name) => !this.#isId(name));
    for (const name of [...ids, ...aliases]) {
      const bytes = nameBytes(name, lists);
      if (chosen.length === HEARTBEAT_LIMITS.names || bytes > leftBytes) break;
      leftBytes -= bytes;
      chosen.push(name);
    }
    return chosen.sort();
  }

  /** Once, until everything fits again. */
  #tell(field: string, count: number, sent: number): void {
    if (count === sent) this.#told.delete(field);
    else if (!this.#told.has(field)) {
      this.#told.add(field);
      this.#log.warn({ field, count, sent, remedy: REMEDY }, 'more than orchestrators take in a heartbeat');
    }
  }
}

const EMPTY = { models_available: [], models_incoming: [], model_digests: {} } as const;

function withoutNames(pool: PoolStatus): PoolStatus {
  return { ...pool, models_available: [] };
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** In as many lists, and once more with its digest. */
function nameBytes(name: string, lists: number): number {
  return (lists + 1) * (jsonBytes(name) + 1) + DIGEST_BYTES;
}

const counted = new WeakMap<readonly string[], { readonly lists: number; readonly bytes: number }>();

function bytesOf(names: readonly string[], lists: number): number {
  const known = counted.get(names);
  if (known?.lists === lists) return known.bytes;
  const bytes = names.reduce((sum, name) => sum + nameBytes(name, lists), 0);
  counted.set(names, { lists, bytes });
  return bytes;
}

function firstOf(incoming: readonly IncomingModel[], maxBytes: number): readonly IncomingModel[] {
  let leftBytes = maxBytes;
  const first: IncomingModel[] = [];
  for (const model of incoming) {
    leftBytes -= jsonBytes(model) + 1;
    if (first.length === INCOMING_MAX || leftBytes < 0) break;
    first.push(model);
  }
  return first;
}

/** Null-prototype, as the whole one is: names are strangers' words. */
function digestsOf(all: Readonly<Record<string, string>>, names: readonly string[]): Readonly<Record<string, string>> {
  const digests = Object.create(null) as Record<string, string>;
  for (const name of names) {
    const digest = all[name];
    if (digest !== undefined) digests[name] = digest;
  }
  return digests;
}
