import { readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import type { Catalog } from '../store/catalog.ts';
import type { Clock } from '../util/clock.ts';
import { formatHostPort, type HostPort, isLoopbackHost } from '../util/host-port.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';
import { version } from '../util/version.ts';
import type { FetchWantedModels } from './fetch-wanted-models.ts';
import {
  availableNames,
  type Capabilities,
  heartbeatDocument,
  type IncomingModel,
  machineId,
  type PoolDescription,
} from './heartbeat-documents.ts';
import { OrchestratorLink } from './orchestrator-link.ts';

export interface ReportOptions {
  readonly name: string;
  readonly orchestrators: readonly { readonly url: string; readonly tokenFile?: string; readonly token?: string }[];
  readonly pools: readonly {
    readonly id: string;
    readonly engine?: string;
    readonly slots: number;
    readonly vramBytes: number;
  }[];
  readonly advertise?: { readonly host: string; readonly port?: number };
}

export interface ReportParts {
  readonly capabilities: Capabilities;
  readonly peerId: string;
  /** Where the API listens now. */
  readonly api: () => HostPort;
  readonly ready: () => boolean;
  readonly catalog: Catalog;
  readonly wanted: FetchWantedModels;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

const HEARTBEAT_MS = 10_000;

/** The end of both walks: what is here, and what is on its way, is told to every orchestrator. */
export function linkOrchestrators(options: ReportOptions, parts: ReportParts): OrchestratorLink[] {
  const { clock, random, log, metrics } = parts;
  const pools = poolsOf(options);
  const connected = OrchestratorLink.gauge(metrics);
  const links = options.orchestrators.map(
    ({ url, tokenFile, token }) =>
      new OrchestratorLink(
        { url, periodMs: HEARTBEAT_MS },
        {
          token: async () => (tokenFile === undefined ? token : (await readFile(tokenFile, 'utf8')).trim()),
          registration: () => ({
            node_id: options.name,
            machine_id: machineId(parts.peerId),
            address: `http://${formatHostPort(advertised(options, parts.api()))}`,
            pools: pools.map(({ id }) => id),
            capabilities: parts.capabilities,
            version,
          }),
          heartbeat: () => {
            const available = availableNames(parts.catalog.models());
            // A fetch outlives the installation by a moment; what is here is no longer on its way.
            const here = new Set(available);
            return heartbeatDocument({
              now: clock.now(),
              ready: parts.ready(),
              pools,
              available,
              incoming: incoming(parts.wanted).filter(({ id }) => !here.has(id)),
            });
          },
          clock,
          random,
          log,
          connected,
        },
      ),
  );
  // A model that starts or ends to come is news as well.
  parts.wanted.on('transfer', () => {
    for (const link of links) link.notify();
  });
  return links;
}

function incoming(wanted: FetchWantedModels): IncomingModel[] {
  return wanted.active().map(({ model, digest, bytesTotal, bytesDone, etaMs }) => ({
    id: model,
    digest: digest ?? null,
    bytes_total: bytesTotal,
    bytes_missing: bytesTotal - bytesDone,
    eta_ms: etaMs === undefined ? null : Math.round(etaMs),
  }));
}

function poolsOf(options: ReportOptions): PoolDescription[] {
  if (options.pools.length === 0) return [{ id: options.name, slotsTotal: 1, slotsFree: 1, vramFreeBytes: 0 }];
  return options.pools.map(({ id, engine, slots, vramBytes }) => ({
    id,
    ...(engine === undefined ? {} : { engine }),
    slotsTotal: slots,
    slotsFree: slots,
    vramFreeBytes: vramBytes,
  }));
}

/** An address that another machine can use, where the API listens on all of them. */
function advertised({ advertise }: ReportOptions, api: HostPort): HostPort {
  if (advertise !== undefined) return { host: advertise.host, port: advertise.port ?? api.port };
  if (api.host !== '0.0.0.0' && api.host !== '::') return api;
  const addresses = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  const outside = addresses.find(
    ({ address, internal, family }) => !internal && family === 'IPv4' && !isLoopbackHost(address),
  );
  return { host: outside?.address ?? hostname(), port: api.port };
}
