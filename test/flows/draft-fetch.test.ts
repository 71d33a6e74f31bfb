import assert from 'node:assert/strict';
import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { manifestCid } from '../../src/content/cid.ts';
import { type Draft, draftOf } from '../../src/content/draft.ts';
import { DraftBook } from '../../src/flows/draft-book.ts';
import { DraftFetch, type DraftFetchParts } from '../../src/flows/draft-fetch.ts';
import { Holdings } from '../../src/flows/holdings.ts';
import type { StagedFile } from '../../src/store/installer.ts';
import { Store } from '../../src/store/store.ts';
import { signRun } from '../../src/swarm/hash-run.ts';
import { RateLimiter } from '../../src/transfer/bandwidth.ts';
import { BlameLedger } from '../../src/transfer/blame.ts';
import { DataPlane } from '../../src/transfer/data-plane.ts';
import { DownloadQueue } from '../../src/transfer/download-queue.ts';
import { FileOrigin } from '../../src/transfer/file-origin.ts';
import { parseOriginUrl } from '../../src/transfer/origin-url.ts';
import { TransferMetrics } from '../../src/transfer/transfer-metrics.ts';
import { systemClock } from '../../src/util/clock.ts';
import { codeOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { systemRandom } from '../../src/util/random.ts';
import { eventually } from '../support/wait.ts';
import { TestBlob, TestFolder } from '../transfer/support/blob.ts';

const blake3 = await loadBlake3();
const PATH = 'm.gguf';
const PIECE = 262_144;
const PIECES = 40;
const never = new AbortController().signal;

/** A node without others, with a disk, a data plane and a mount of its own. */
class LoneNode implements AsyncDisposable {
  readonly folder: TestFolder;
  readonly store: Store;
  readonly plane = new DataPlane({ workers: 1 }, { log: silentLog });
  readonly metrics = new TransferMetrics(new Metrics());
  readonly drafts = new DraftBook({ clock: systemClock });
  readonly limiter = new RateLimiter({ bytesPerSecond: Infinity }, { clock: systemClock });
  readonly blob: TestBlob;
  readonly origin: FileOrigin;
  relisted = 0;
  readonly #key: Ed25519PrivateKey;

  private constructor(parts: Pick<LoneNode, 'folder' | 'store' | 'blob'> & { key: Ed25519PrivateKey }) {
    this.folder = parts.folder;
    this.store = parts.store;
    this.blob = parts.blob;
    this.#key = parts.key;
    const address = parseOriginUrl(pathToFileURL(join(parts.folder.path, 'nas')).href);
    assert.ok(address.kind === 'file');
    this.origin = new FileOrigin({ address }, { plane: this.plane, blake3 });
  }

  static async make(seed: string): Promise<LoneNode> {
    const folder = await TestFolder.make();
    const blob = await TestBlob.make({ seed, sizeBytes: PIECES * PIECE - 1000 });
    await writeFile(join(await folder.folder('nas'), PATH), blob.bytes);
    const [modelsDir, dataDir] = [await folder.folder('models'), await folder.folder('data')];
    const options = { modelsDir, dataDir, settleMs: 0, rescanMs: 60_000, hashWorkers: 1 };
    const store = await Store.open(options, { log: silentLog, metrics: new Metrics(), clock: systemClock });
    return new LoneNode({ folder, store, blob, key: await generateKeyPair('Ed25519') });
  }

  async draft(): Promise<Draft> {
    const { size, mtimeNs } = await stat(join(this.folder.path, 'nas', PATH), { bigint: true });
    const draft = draftOf({ path: PATH, sizeBytes: Number(size), modifiedNs: String(mtimeNs) }, blake3);
    assert.ok(draft !== undefined);
    return draft;
  }

  async fetch(
    draft: Draft,
    signal: AbortSignal,
    onPiece: (index: number) => void = () => undefined,
  ): Promise<StagedFile> {
    const { store, plane, metrics, drafts, limiter } = this;
    const blame = new BlameLedger({ clock: systemClock, log: silentLog, metrics: new Metrics() });
    const parts: DraftFetchParts = {
      ...{ store, plane, drafts, blake3, log: silentLog },
      queue: new DownloadQueue({ maxBulk: 1, maxSmall: 1, maxIdle: 1 }),
      locator: {
        self: this.#key.publicKey.toString(),
        hasCompany: () => false,
        isReachable: () => false,
        isMember: () => false,
        fetchers: () => [],
        sources: () => [],
        peers: () => [],
        manifest: () => Promise.reject(new Error('there is none')),
        refute: () => undefined,
        onChange: () => () => undefined,
      },
      holdings: new Holdings({ catalog: store.catalog, drafts }),
      download: {
        ...{ clock: systemClock, random: systemRandom, log: silentLog, blame, metrics },
        budget: { bytes: 0 },
        limiters: { origin: limiter },
      },
      onHoldings: () => undefined,
      onPiece: (_name, index) => onPiece(index),
      runs: { sign: (run) => signRun(run, this.#key), follow: () => Promise.resolve() },
      relist: () => void (this.relisted += 1),
    };
    using reservation = await store.space.reserve(draft.sizeBytes);
    return await new DraftFetch({ draft, mount: this.origin.draft(draft), priority: 'normal' }, parts).run(
      reservation,
      signal,
    );
  }

  async readBytes(): Promise<number> {
    const { values } = await this.metrics.receivedBytes.get();
    return values.find(({ labels }) => labels.source === 'origin')?.value ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.plane[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

test('a file that nobody has hashed gets the name and the manifest that hashing it gives', async () => {
  await using node = await LoneNode.make('draft');
  const { blob, drafts } = node;
  const draft = await node.draft();
  const staged = await node.fetch(draft, never);
  assert.equal(staged.sha256, blob.sha256);
  assert.equal(staged.manifest, manifestCid(blob.manifestBytes, blake3));
  assert.deepEqual(await readFile(staged.from ?? ''), Buffer.from(blob.bytes));
  assert.equal(await node.readBytes(), blob.bytes.length);
  // Others that are not done yet ask for it by its old name, and hear all its hashes.
  assert.equal(drafts.blobOf(draft.id), blob.sha256);
  const told = drafts.feed(draft.id)?.runs.reduce((sum, { hashes }) => sum + hashes.length / 32, 0);
  assert.equal(told, PIECES);
  await node.store.installer.install(PATH, [staged]);
  assert.deepEqual(await readFile(join(node.folder.path, 'models', PATH)), Buffer.from(blob.bytes));
  assert.deepEqual(node.store.partials.list(), []);
});

test('a first read that was interrupted goes on where it was, without reading anything twice', async () => {
  await using node = await LoneNode.make('resumed');
  node.limiter.setRate(20 * PIECE);
  const draft = await node.draft();
  const controller = new AbortController();
  let pieces = 0;
  const first = node.fetch(draft, controller.signal, () => {
    pieces += 1;
    // What was read within the last 100 ms is not signed yet, and read again.
    if (pieces === PIECES / 2) controller.abort();
  });
  await assert.rejects(first, { name: 'AbortError' });
  node.limiter.setRate(Infinity);
  const staged = await node.fetch(draft, never);
  assert.equal(staged.sha256, node.blob.sha256);
  const twice = (await node.readBytes()) - node.blob.bytes.length;
  assert.ok(twice <= 6 * PIECE, `${twice} bytes were read twice`);
});

test('a file that is written while it is read for the first time is thrown away, and the origin listed anew', async () => {
  await using node = await LoneNode.make('written');
  node.limiter.setRate(20 * PIECE);
  const draft = await node.draft();
  const file = join(node.folder.path, 'nas', PATH);
  let pieces = 0;
  const fetching = node.fetch(draft, never, () => {
    pieces += 1;
    if (pieces === 10) void utimes(file, new Date(), new Date());
  });
  await assert.rejects(fetching, (error) => codeOf(error) === 'changed');
  assert.equal(node.relisted, 1);
  assert.deepEqual(node.store.partials.list(), []);
  node.limiter.setRate(Infinity);
  const anew = await node.draft();
  assert.notEqual(anew.id, draft.id);
  assert.equal((await node.fetch(anew, never)).sha256, node.blob.sha256);
  await eventually('nothing is told of the old one', () => node.drafts.feed(draft.id) === undefined);
});
