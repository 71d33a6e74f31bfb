import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { multiaddr } from '@multiformats/multiaddr';
import { pino } from 'pino';
import { type Blake3Engine, loadBlake3 } from '../../src/content/blake3.ts';
import { manifestCid } from '../../src/content/cid.ts';
import { encodeManifest } from '../../src/content/manifest.ts';
import { type Model, makeModel } from '../../src/content/model.ts';
import { geometryOf } from '../../src/content/piece-geometry.ts';
import { generateFleetKey, parseFleetKey } from '../../src/swarm/fleet-key.ts';
import { Swarm, type SwarmOptions, type SwarmParts } from '../../src/swarm/swarm.ts';
import { systemClock } from '../../src/util/clock.ts';
import { codeOf, type ErrorCode } from '../../src/util/errors.ts';
import { type Log, silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { seededRandom } from '../../src/util/random.ts';

export const blake3: Blake3Engine = await loadBlake3();
export const fleetKey = parseFleetKey(generateFleetKey());

/** A model of one file whose content nobody needs. */
export function someModel(id: string, sizeBytes = 1_000_000): Model {
  const sha256 = createHash('sha256').update(id).digest('hex');
  const { pieceSizeBytes, pieceCount } = geometryOf(sizeBytes);
  const bytes = encodeManifest({ sizeBytes, pieceSizeBytes, sha256, pieceHashes: randomLike(id, 32 * pieceCount) });
  return makeModel(
    id,
    [`${id.replace(/\..*$/, '')} alias`],
    [{ path: id, sizeBytes, sha256, manifest: manifestCid(bytes, blake3) }],
  );
}

function randomLike(seed: string, length: number): Uint8Array {
  return Uint8Array.from(createHash('shake256', { outputLength: length }).update(seed).digest());
}

export interface RunningSwarm extends AsyncDisposable {
  readonly swarm: Swarm;
  readonly metrics: Metrics;
}

/** A swarm on loopback that runs until it is disposed of; it tells nothing before `firstLook` has ended. */
export async function runSwarm(
  options: Partial<SwarmOptions> = {},
  parts: Partial<SwarmParts> = {},
  firstLook?: Promise<unknown>,
): Promise<RunningSwarm> {
  const metrics = parts.metrics ?? new Metrics();
  const swarm = await Swarm.start(
    {
      privateKey: await generateKeyPair('Ed25519'),
      fleetKey,
      name: `node-${randomBytes(3).toString('hex')}`,
      listen: [multiaddr('/ip4/127.0.0.1/tcp/0')],
      bootstrap: [],
      mdns: false,
      ...options,
    },
    { log: silentLog, clock: systemClock, random: seededRandom(1), ...parts, metrics },
  );
  const controller = new AbortController();
  const running = swarm.run(controller.signal, firstLook).catch((error: unknown) => {
    if (!controller.signal.aborted) throw error;
  });
  let disposed = false;
  return {
    swarm,
    metrics,
    async [Symbol.asyncDispose]() {
      if (disposed) return;
      disposed = true;
      controller.abort();
      await running;
      await swarm[Symbol.asyncDispose]();
    },
  };
}

export function addressOf({ swarm }: RunningSwarm): ReturnType<typeof multiaddr> {
  const [address] = swarm.multiaddrs();
  if (address === undefined) throw new Error('not listening');
  return multiaddr(address);
}

/** Resolves with the first value that is not undefined or false; fails after `ms`. */
export async function until<T>(what: string, look: () => T | undefined | false, ms = 15_000): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** For calls that nobody cancels. */
export const never: AbortSignal = new AbortController().signal;

export async function rejectsWith(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.equal(codeOf(error), code, String(error));
    return true;
  });
}

export interface LoggedLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A log whose lines can be looked at. */
export function listeningLog(): { log: Log; lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const log = pino(
    { level: 'debug', formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => lines.push(JSON.parse(line) as LoggedLine) },
  );
  return { log, lines };
}

export function hexOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
