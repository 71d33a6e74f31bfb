import { join } from 'node:path';
import { generateCertificate } from '@libp2p/tls/utils';
import { multiaddr } from '@multiformats/multiaddr';
import type { Api } from './api/http-app.ts';
import { startApi } from './api/start-api.ts';
import type { DaemonConfig } from './config.ts';
import { loadBlake3 } from './content/blake3.ts';
import { startPieces } from './daemon-pieces.ts';
import { AnnounceModels } from './flows/announce-models.ts';
import { DraftBook } from './flows/draft-book.ts';
import { EventBus } from './flows/event-bus.ts';
import { FetchWantedModels } from './flows/fetch-wanted-models.ts';
import { FleetViews } from './flows/fleet-views.ts';
import { Holdings } from './flows/holdings.ts';
import { ModelLocator } from './flows/locate-models.ts';
import { ModelViews } from './flows/model-views.ts';
import { NodeFacade } from './flows/node-facade.ts';
import { Orchestration } from './flows/orchestration.ts';
import { OriginLists } from './flows/origin-lists.ts';
import { advertised } from './flows/report-models.ts';
import { tellPeers, tellTransfers } from './flows/tell-events.ts';
import { tellSystemd } from './flows/tell-systemd.ts';
import { Store } from './store/store.ts';
import { loadOrCreateFleetKey } from './swarm/fleet-key.ts';
import { loadOrCreateIdentity } from './swarm/identity.ts';
import { Swarm } from './swarm/swarm.ts';
import { RateLimiter } from './transfer/bandwidth.ts';
import { BlameLedger } from './transfer/blame.ts';
import { DataPlane } from './transfer/data-plane.ts';
import { DownloadQueue } from './transfer/download-queue.ts';
import { openOrigin } from './transfer/open-origin.ts';
import { OriginCopy } from './transfer/origin-copy.ts';
import { TransferMetrics } from './transfer/transfer-metrics.ts';
import { systemClock } from './util/clock.ts';
import { ShoalError } from './util/errors.ts';
import { formatHostPort, type HostPort } from './util/host-port.ts';
import type { Lifecycle } from './util/lifecycle.ts';
import { listenFailure } from './util/listen-failure.ts';
import type { Log } from './util/log.ts';
import { Metrics } from './util/metrics.ts';
import { systemRandom } from './util/random.ts';
import type { SystemdNotifier } from './util/systemd.ts';
import { version } from './util/version.ts';
import { Vitals } from './util/vitals.ts';
import { workersFor } from './util/workers.ts';

/** Blobs that are fetched at a time: two of bulk keep a link busy, small ones pass them by. */
const QUEUE = { maxBulk: 2, maxSmall: 4, maxIdle: 16 };
const FREE_SPACE_PERIOD_MS = 15_000;
const PULSE_MS = 1_000;
/** A loop that gives no sign for so long hangs. */
const PULSE_WITHIN_MS = 20_000;
export interface Ground {
  readonly lifecycle: Lifecycle;
  readonly log: Log;
  readonly systemd: SystemdNotifier;
}

/** Makes every part, in the order in which they need each other; the lifecycle closes them in reverse. */
export async function startParts(
  config: DaemonConfig,
  { lifecycle, log, systemd }: Ground,
): Promise<{ plane: DataPlane }> {
  const clock = systemClock;
  const random = systemRandom;
  const { signal } = lifecycle;
  const metrics = new Metrics();
  metrics.addProcess();
  const vitals = new Vitals({ clock });
  const blake3 = await loadBlake3(config.blake3);
  if (blake3.kind === 'wasm') log.warn({ engine: 'wasm' }, 'BLAKE3 is computed by WebAssembly, several times slower');
  const workers = workersFor(config.workers);

  const { modelsDir, dataDir, settleMs, rescanMs, cacheMaxBytes } = config;
  const budget = cacheMaxBytes === undefined ? {} : { cacheMaxBytes };
  const store = lifecycle.own(
    'store',
    await Store.open(
      { modelsDir, dataDir, settleMs, rescanMs, hashWorkers: workers.hash, ...budget },
      { log, metrics, clock },
    ),
  );
  const privateKey = await loadOrCreateIdentity(join(dataDir, 'identity.key'));
  const plain = !config.laneEncryption;
  const lane = config.lane === 'off' ? {} : { lane: { ...(await generateCertificate(privateKey)), plain } };
  if (plain) log.warn({}, 'lanes to nodes that allow it are not encrypted: only for a network that is trusted');
  const plane = lifecycle.own(
    'data plane',
    new DataPlane({ workers: workers.data, blake3: blake3.kind, ...lane }, { log }),
  );

  const fleetKey = await loadOrCreateFleetKey(config.fleetKeyFile);
  if (fleetKey.created) {
    const remedy = `Copy ${config.fleetKeyFile} to the nodes that shall join, and start them with --fleet-key FILE.`;
    log.warn({ file: config.fleetKeyFile, remedy }, 'no fleet key was there, a new one was made');
  }
  const swarm = lifecycle.own(
    'swarm',
    await listening(config.listen, async () =>
      Swarm.start(
        {
          privateKey,
          fleetKey: fleetKey.key,
          name: config.name,
          listen: [multiaddrOf(config.listen)],
          bootstrap: config.bootstrap.map((address) => multiaddr(address)),
          mdns: config.mdns,
        },
        { log, metrics, clock, random },
      ),
    ),
  );

  const events = new EventBus({ log });
  const drafts = new DraftBook({ clock });
  const holdings = new Holdings({ catalog: store.catalog, drafts });
  const blame = new BlameLedger({ clock, log, metrics });
  const limiter = (bytesPerSecond = Infinity): RateLimiter => new RateLimiter({ bytesPerSecond }, { clock });
  const pieces = await startPieces(config, { lifecycle, store, plane, swarm, holdings, drafts, metrics, clock, log });
  const origins = new OriginLists({
    origins: config.origins.map((url) => openOrigin(url, { plane, blake3 })),
    clock,
    log,
  });
  const locator = new ModelLocator({ swarm, origins, ...pieces, plane, blame, log });
  const onHoldings = (sha256: string): void => {
    swarm.haveMaps.changed(sha256);
    announce.holdingsChanged();
  };
  const nameOf = (peerId: string): string | undefined => swarm.fleet.node(peerId)?.name;
  const wanted = new FetchWantedModels({
    store,
    locator,
    clock,
    log,
    fetch: {
      store,
      plane,
      locator,
      holdings,
      clock,
      log,
      nameOf,
      queue: new DownloadQueue(QUEUE),
      copies: new OriginCopy({ partials: store.partials, blake3 }),
      ...{ blake3, drafts, runs: swarm.runs, relist: () => void origins.rescan() },
      mount: (offer) => locator.mount(offer),
      download: {
        clock,
        random,
        log,
        blame,
        metrics: new TransferMetrics(metrics),
        budget: { bytes: 0 },
        limiters: { down: limiter(config.downLimit), origin: limiter(config.originLimit) },
      },
      onPiece: (sha256, index) => swarm.haveMaps.announce(sha256, index),
      onHoldings,
    },
  });

  let isReady = false;
  const apiAddress: { now: HostPort } = { now: config.api };
  const views = new ModelViews({ store, locator, wanted, selfName: config.name, nameOf: (id) => nameOf(id) ?? id });
  const orchestration = await Orchestration.open(config, {
    ...{ store, swarm, views, locator, wanted, clock, random, log, metrics, signal },
    api: () => apiAddress.now,
    ready: () => isReady,
    want: (name) => facade.want(name, { priority: 'high' }),
    remove: (id) => facade.remove(id),
    announce: () => announce.holdingsChanged(),
  });
  const { links: orchestrators, reported } = orchestration;
  const announce = new AnnounceModels({ catalog: store.catalog, holdings, reported, swarm, orchestrators, events });
  const apiUrl = (): string => `http://${formatHostPort(apiAddress.now)}`;
  const fleet = new FleetViews(
    { name: config.name },
    { store, swarm, holdings, locator, wanted, views, events, clock, api: apiUrl },
  );
  const facade = new NodeFacade(
    {
      name: config.name,
      version,
      modelsDir,
      ...budget,
      blake3: blake3.kind,
      doctor: {
        modelsDir,
        dataDir,
        fleetKeyFile: config.fleetKeyFile,
        fleetKeyCreated: fleetKey.created,
        joinsOthers: config.mdns || config.bootstrap.length > 0,
        blake3: blake3.kind,
      },
    },
    {
      store,
      swarm,
      pieces,
      blame,
      wanted,
      origins,
      orchestration,
      views,
      fleet,
      events,
      metrics,
      clock,
      listeners: () => [
        { name: 'api', ...apiAddress.now },
        ...swarm.multiaddrs().map((address) => ({ name: 'libp2p', ...hostPortOf(address) })),
        ...(pieces.laneServer === undefined ? [] : [{ name: 'lane', ...pieces.laneServer.address }]),
      ],
      api: apiUrl,
      ready: () => isReady,
    },
  );
  gauges(metrics, facade, store);

  const api: Api = lifecycle.own(
    'api',
    await startApi(
      { ...config.api, version, ...(config.apiToken === undefined ? {} : { token: config.apiToken }) },
      { service: facade, log },
    ),
  );
  apiAddress.now = api.address;
  swarm.gossip.setMeta({ api: `http://${formatHostPort(advertised(config, api.address))}` });

  // The first head tells of it; the next comes in half a minute only.
  swarm.gossip.setDisk(await store.space.disk());

  const pulse = vitals.watch('control', PULSE_WITHIN_MS);
  lifecycle.run('scanner', (until) => store.scanner.run(until));
  lifecycle.run('swarm', (until) => swarm.run(until, store.scanner.firstScan));
  lifecycle.run('origins', (until) => origins.run(until));
  lifecycle.run('drafts', (until) => drafts.run(onHoldings, until));
  lifecycle.run('wanted models', (until) => wanted.run(until));
  lifecycle.run('events', (until) => tellTransfers({ wanted, events, clock }, until));
  lifecycle.run('fleet', (until) => fleet.run(until));
  lifecycle.run('free space', async (until) => {
    while (!until.aborted) {
      swarm.gossip.setDisk(await store.space.disk());
      await clock.sleep(FREE_SPACE_PERIOD_MS, until);
    }
  });
  lifecycle.run('pulse', async (until) => {
    while (!until.aborted) {
      await store.space.disk();
      pulse.beat();
      await clock.sleep(PULSE_MS, until);
    }
  });
  tellPeers({ swarm, blame, origins, events, nameOf });
  lifecycle.run('reports', async (until) => {
    await store.scanner.firstScan;
    isReady = true;
    log.info({ models: store.catalog.modelCount, settling: store.scanner.pending }, 'models directory scanned');
    await orchestration.run(until);
  });
  lifecycle.run('removals', async () => {
    await store.scanner.firstScan;
    await store.remover.complete((id) => orchestration.withdrawn(id));
  });
  lifecycle.run('removals', async () => {
    await store.scanner.firstScan;
    await store.remover.complete((id) => orchestration.withdrawn(id));
  });
  const peers = (): number => swarm.connectedPeers().length;
  lifecycle.run('status', (until) => tellSystemd({ systemd, counts: () => facade.modelCounts(), peers, clock }, until));
  lifecycle.run('watchdog', (until) =>
    systemd.watchdog(() => {
      vitals.assertAlive();
      return Promise.resolve();
    }, until),
  );
  const lanes = pieces.laneServer === undefined ? 'off' : formatHostPort(pieces.laneServer.address);
  log.info(
    { api: api.url, listen: swarm.multiaddrs(), lane: lanes, peerId: swarm.peerId, modelsDir, version },
    'ready',
  );
  await systemd.ready();
  signal.addEventListener('abort', () => pulse.end(), { once: true });
  return { plane };
}

function gauges(metrics: Metrics, facade: NodeFacade, store: Store): void {
  const models = metrics.gauge('shoal_models', 'Models by state', ['state']);
  const disk = metrics.gauge('shoal_disk_bytes', 'Disk of the models directory', ['kind']);
  metrics.onCollect(async () => {
    for (const [state, count] of Object.entries(facade.modelCounts())) models.set({ state }, count);
    const { totalBytes, freeBytes } = await store.space.disk();
    disk.set({ kind: 'total' }, totalBytes);
    disk.set({ kind: 'free' }, freeBytes);
    disk.set({ kind: 'reserved' }, store.space.reservedBytes);
  });
}

/** @throws ShoalError `conflict` for an address that is taken */
async function listening<T>(address: HostPort, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof ShoalError) throw error;
    throw listenFailure(error, { what: 'libp2p', flag: '--listen', address });
  }
}

function multiaddrOf({ host, port }: HostPort): ReturnType<typeof multiaddr> {
  const family = host.includes(':') ? 'ip6' : /^\d+\.\d+\.\d+\.\d+$/.test(host) ? 'ip4' : 'dns';
  return multiaddr(`/${family}/${host}/tcp/${port}`);
}

function hostPortOf(address: string): HostPort {
  const [, , host = '', , port = '0'] = address.split('/');
  return { host, port: Number(port) };
}
