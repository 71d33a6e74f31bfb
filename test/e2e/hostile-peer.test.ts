import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { geometryOf } from '../../src/content/piece-geometry.ts';
import type { PeerView } from '../../src/flows/views.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';
import { HostilePeer, type ManifestTrick, type PieceTrick } from '../support/hostile-peer.ts';
import { makeLora } from '../support/make-safetensors.ts';
import type { MadeFile } from '../support/random-body.ts';
import { runShoal } from '../support/run-shoal.ts';
import type { StaticOrigin } from '../support/static-origin.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

const MIB = 1024 * 1024;
/** In flight at one peer when its first bad piece shows: the largest window. */
const MAX_IN_FLIGHT = 16;

/**
 * A fetcher and an honest origin. Pieces that a peer has are not read from an origin, so whoever lies is asked first.
 */
class HostileScene {
  readonly bed: TestBed;
  readonly fetcher: DaemonProcess;
  readonly origin: StaticOrigin;
  readonly nas: string;
  readonly made: Readonly<Record<string, MadeFile>>;

  private constructor(bed: TestBed, parts: Pick<HostileScene, 'fetcher' | 'origin' | 'nas' | 'made'>) {
    this.bed = bed;
    this.fetcher = parts.fetcher;
    this.origin = parts.origin;
    this.nas = parts.nas;
    this.made = parts.made;
  }

  static async open(context: TestContext, models: readonly { id: string; sizeBytes: number }[]): Promise<HostileScene> {
    const bed = await TestBed.open({ context });
    const nas = await bed.makeDirectory('nas');
    const made: Record<string, MadeFile> = {};
    for (const { id, sizeBytes } of models) made[id] = await makeLora(join(nas, id), { seed: id, sizeBytes });
    await bed.publish(nas);
    const origin = await bed.origin(nas);
    const fetcher = await bed.daemon('fetcher', { origins: [origin.url] });
    return new HostileScene(bed, { fetcher, origin, nas, made });
  }

  async hostile(id: string, pieces: PieceTrick, manifest: ManifestTrick = 'right'): Promise<HostilePeer> {
    const peer = this.bed.own(
      await HostilePeer.start({
        name: `hostile ${pieces.kind}`,
        fleetKeyFile: this.bed.fleetKeyFile,
        bootstrap: this.fetcher.listen,
        model: { id, file: join(this.nas, id) },
        pieces,
        manifest,
      }),
    );
    await announced(this.fetcher, peer, id);
    return peer;
  }
}

/** The daemon knows that the peer offers the model. */
async function announced(daemon: DaemonProcess, peer: HostilePeer, id: string): Promise<void> {
  await eventually(
    `${id} of ${peer.peerId} is known`,
    async () => (await daemon.peers()).some(({ peerId, models }) => peerId === peer.peerId && models > 0),
    { timeoutMs: 30_000 },
  );
}

async function peerView(daemon: DaemonProcess, peerId: string): Promise<PeerView | undefined> {
  const result = await runShoal(['peers', '--json'], { api: daemon.api });
  const { peers } = result.json() as { peers: PeerView[] };
  return peers.find((peer) => peer.peerId === peerId);
}

/** Named by every means: log, command line and metric. */
async function assertNamed(daemon: DaemonProcess, peer: HostilePeer): Promise<void> {
  const lines = daemon.log.all((line) => line.level === 'warn' && line['peer'] === peer.peerId);
  assert.equal(lines.length, 1, `named once in the log: ${JSON.stringify(lines)}`);
  const view = await peerView(daemon, peer.peerId);
  assert.ok(view?.blamed !== undefined, `shoal peers names it: ${JSON.stringify(view)}`);
  assert.equal(view.blamed.strikes, 1);
  assert.ok((await daemon.metric('shoal_rejected_pieces_total', { peer: peer.peerId })) >= 1);
}

test('a peer that flips bytes in 1 % of its pieces is named after the first of them and not asked again', async (t) => {
  const id = 'one-percent.safetensors';
  const scene = await HostileScene.open(t, [{ id, sizeBytes: 128 * MIB }]);
  const { fetcher, origin } = scene;
  const made = fileOf(scene.made, id);
  const watcher = await scene.bed.watch(fetcher.modelsDir, scene.made);
  const liar = await scene.hostile(id, { kind: 'flip', every: 100 });
  await fetcher.want(id);
  await fetcher.waitForModel(id, 'installed', 60_000);
  await watcher.stop();

  assert.deepEqual(watcher.violations, []);
  assert.deepEqual(await digestsIn(fetcher.modelsDir), { [id]: made.sha256 });
  await assertNamed(fetcher, liar);
  const firstBad = liar.asked.findIndex(({ bad }) => bad);
  assert.ok(firstBad >= 0, 'it was asked for a piece that it falsifies');
  const after = liar.asked.length - firstBad - 1;
  assert.ok(after <= MAX_IN_FLIGHT, `${after} pieces were asked for after the first bad one`);
  const { pieceCount } = geometryOf(made.sizeBytes);
  const fromOrigin = origin.requests.filter(({ path }) => path === `/${id}`).length;
  assert.ok(fromOrigin >= pieceCount - liar.asked.length, 'the rest came from the origin');
});

test('a peer of which every piece is wrong is named, and an honest peer gives all of it', async (t) => {
  const bed = await TestBed.open({ context: t });
  const id = 'all-wrong.safetensors';
  const made = await makeLora(join(await bed.makeDirectory('honest/models'), id), { seed: id, sizeBytes: 32 * MIB });
  const honest = await bed.daemon('honest');
  await honest.waitForModel(id);
  const fetcher = await bed.daemon('fetcher');
  const watcher = await bed.watch(fetcher.modelsDir, { [id]: made });
  const liar = bed.own(
    await HostilePeer.start({
      name: 'liar',
      fleetKeyFile: bed.fleetKeyFile,
      bootstrap: fetcher.listen,
      model: { id, file: made.file },
      pieces: { kind: 'flip', every: 1 },
    }),
  );
  await announced(fetcher, liar, id);
  await eventually(
    'both offer it',
    async () => (await fetcher.peers()).filter(({ models }) => models > 0).length === 2,
  );
  await fetcher.want(id);
  const { sources } = await installedTransfer(fetcher, id);
  await watcher.stop();
  assert.deepEqual(watcher.violations, []);
  assert.deepEqual(await digestsIn(fetcher.modelsDir), { [id]: made.sha256 });
  await assertNamed(fetcher, liar);
  assert.ok(liar.asked.length <= MAX_IN_FLIGHT);
  const given = Object.fromEntries(sources.map((source) => [source.id, source.bytes]));
  assert.equal(given[honest.peerId], made.sizeBytes);
  assert.equal(given[liar.peerId] ?? 0, 0, 'nothing of it was taken from the liar');
});

const BREACHES: readonly PieceTrick['kind'][] = ['short', 'long', 'endless', 'wrong-id', 'garbage', 'denies'];
const SILENCES: readonly PieceTrick['kind'][] = ['silent', 'half', 'busy'];

test('whatever a peer does instead of sending a piece, the fetch completes and who broke the protocol is named', async (t) => {
  const kinds = [...BREACHES, ...SILENCES];
  const idOf = (kind: string): string => `${kind}.safetensors`;
  const scene = await HostileScene.open(
    t,
    kinds.map((kind) => ({ id: idOf(kind), sizeBytes: 4 * MIB })),
  );
  const { fetcher, made } = scene;
  const watcher = await scene.bed.watch(fetcher.modelsDir, made);
  const peers = new Map<string, HostilePeer>();
  for (const kind of kinds) peers.set(kind, await scene.hostile(idOf(kind), { kind } as PieceTrick));
  for (const kind of kinds) await fetcher.want(idOf(kind));
  for (const kind of kinds) await fetcher.waitForModel(idOf(kind), 'installed', 60_000);
  await watcher.stop();
  assert.deepEqual(watcher.violations, []);
  const right = Object.fromEntries(Object.entries(made).map(([id, { sha256 }]) => [id, sha256]));
  assert.deepEqual(await digestsIn(fetcher.modelsDir), right);

  for (const [kind, peer] of peers) {
    await t.test(kind, async () => {
      assert.ok(peer.asked.length >= 1, 'it was asked');
      assert.ok(peer.asked.length <= 2 * MAX_IN_FLIGHT, `it was asked for ${peer.asked.length} pieces`);
      if (BREACHES.includes(kind as PieceTrick['kind'])) await assertNamed(fetcher, peer);
      // Slow, overloaded or cut off: no proof of a lie.
      else assert.equal((await peerView(fetcher, peer.peerId))?.blamed, undefined);
    });
  }
  const { peakRssBytes } = await fetcher.memory();
  assert.ok(peakRssBytes < 256 * MIB, `${peakRssBytes} bytes at the highest`);
});

interface Lie {
  readonly what: string;
  readonly manifest: ManifestTrick;
  readonly pieces?: PieceTrick['kind'];
  /** Why the model is not here as long as nobody honest offers it. */
  readonly problem: RegExp;
}

const LIES: Readonly<Record<string, Lie>> = {
  'other-bytes.safetensors': {
    what: 'the manifest of other bytes, which it serves',
    manifest: 'other-bytes',
    problem: /^verification-failed$/,
  },
  'held-back.safetensors': {
    what: 'the manifest of other bytes, which it holds back',
    manifest: 'other-bytes',
    pieces: 'silent',
    problem: /^source-stalled$/,
  },
  'other-file.safetensors': {
    what: 'the manifest of another file',
    manifest: 'other-file',
    problem: /^verification-failed$/,
  },
  'not-given.safetensors': {
    what: 'a manifest that it never gives',
    manifest: 'not-given',
    problem: /^not-found$/,
  },
  'wrong-size.safetensors': { what: 'another size', manifest: 'wrong-size', problem: /^disk-full$/ },
};

test('a true sha256 that is announced with a false manifest leads to nothing, and does not hold up an honest one', async (t) => {
  const bed = await TestBed.open({ context: t });
  const made: Record<string, MadeFile> = {};
  const honestModels = await bed.makeDirectory('honest/models');
  for (const id of Object.keys(LIES))
    made[id] = await makeLora(join(honestModels, id), { seed: id, sizeBytes: 6 * MIB });
  const fetcher = await bed.daemon('fetcher');
  const watcher = await bed.watch(fetcher.modelsDir, made);
  const liars = new Map<string, HostilePeer>();
  for (const [id, { manifest, pieces = 'honest' }] of Object.entries(LIES)) {
    const model = { id, file: fileOf(made, id).file };
    const options = { fleetKeyFile: bed.fleetKeyFile, bootstrap: fetcher.listen, manifest, model };
    const liar = bed.own(
      await HostilePeer.start({ ...options, name: `liar ${id}`, pieces: { kind: pieces } as PieceTrick }),
    );
    liars.set(id, liar);
    await announced(fetcher, liar, id);
    await fetcher.want(id);
  }
  for (const [id, { what, problem }] of Object.entries(LIES)) {
    await eventually(
      `${id} is not here, and why is told: ${what}`,
      async () => problem.test(await problemOf(fetcher, id)),
      { timeoutMs: 60_000 },
    );
  }
  assert.deepEqual(await digestsIn(fetcher.modelsDir), {});

  const honest = await bed.daemon('honest', { bootstrap: fetcher.listen });
  for (const [id, { what }] of Object.entries(LIES)) {
    await t.test(what, async () => {
      const { sources } = await installedTransfer(fetcher, id);
      const givers = sources.filter(({ bytes }) => bytes > 0).map((source) => source.id);
      assert.deepEqual(givers, [honest.peerId]);
    });
  }
  await watcher.stop();
  assert.deepEqual(watcher.violations, []);
  const right = Object.fromEntries(Object.entries(made).map(([id, { sha256 }]) => [id, sha256]));
  assert.deepEqual(await digestsIn(fetcher.modelsDir), right);
  assert.equal((await peerView(fetcher, honest.peerId))?.blamed, undefined, 'the honest node is not blamed');

  const seller = liars.get('other-bytes.safetensors');
  assert.ok(seller !== undefined);
  await assertNamed(fetcher, seller);
  const { pieceCount } = geometryOf(fileOf(made, 'other-bytes.safetensors').sizeBytes);
  assert.ok(seller.asked.length <= pieceCount + MAX_IN_FLIGHT, `${seller.asked.length} pieces: it is tried once`);
});

async function problemOf(daemon: DaemonProcess, id: string): Promise<string> {
  const transfer = (await daemon.transfers()).find(({ model }) => model === id);
  return (await daemon.model(id)).problem?.code ?? transfer?.problem?.code ?? '';
}

function fileOf(made: Readonly<Record<string, MadeFile>>, id: string): MadeFile {
  const file = made[id];
  assert.ok(file !== undefined);
  return file;
}

async function installedTransfer(daemon: DaemonProcess, id: string): Promise<{ sources: readonly SourceBytes[] }> {
  await daemon.waitForModel(id, 'installed', 90_000);
  return await eventually('its transfer is done', async () =>
    (await daemon.transfers()).find(({ model, state }) => model === id && state === 'done'),
  );
}

interface SourceBytes {
  readonly id: string;
  readonly bytes: number;
}
