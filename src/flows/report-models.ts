import { readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import type { Disk } from '../store/space.ts';
import type { Clock } from '../util/clock.ts';
import { HEARTBEAT_LIMITS } from '../util/heartbeat-limits.ts';
import { formatHostPort, type HostPort, isLoopbackHost } from '../util/host-port.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';
import { version } from '../util/version.ts';
import {
  type Capabilities,
  heartbeatDocument,
  type IncomingModel,
  machineId,
  type PoolReport,
} from './heartbeat-documents.ts';
import { HeartbeatFit } from './heartbeat-fit.ts';
import { HeartbeatTimes } from './heartbeat-times.ts';
import { OrchestratorLink } from './orchestrator-link.ts';
import type { TransferView } from './views.ts';

export interface ReportOptions {
  readonly name: string;
  readonly orchestrators: readonly { readonly url: string; readonly tokenFile?: string; readonly token?: string }[];
  readonly advertise?: { readonly host: string; readonly port?: number };
}

export interface ReportParts {
  readonly capabilities: Capabilities;
  readonly peerId: string;
  /** Where the API listens now. */
  readonly api: () => HostPort;
  readonly ready: () => boolean;
  /** Ids and aliases of what is installed, verified and not retired, sorted. */
  readonly available: () => readonly string[];
  /** Whether it is an id rather than an alias. */
  readonly isId: (name: string) => boolean;
  /** By each of these names. */
  readonly digests: () => Readonly<Record<string, string>>;
  readonly pools: () => readonly PoolReport[];
  /** Of the models directory, as measured last. */
  readonly disk: () => Disk | undefined;
  /** What is on its way. */
  readonly active: () => readonly TransferView[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

const HEARTBEAT_MS = 10_000;

/** The end of both walks: what is here, and what is on its way, is told to every orchestrator. */
export function linkOrchestrators(options: ReportOptions, parts: ReportParts): OrchestratorLink[] {
  const { clock, random, log, metrics } = parts;
  const connected = OrchestratorLink.gauge(metrics);
  const times = new HeartbeatTimes({ clock });
  const fit = new HeartbeatFit({ log, isId: parts.isId });
  return options.orchestrators.map(
    ({ url, tokenFile, token }) =>
      new OrchestratorLink(
        { url, periodMs: HEARTBEAT_MS },
        {
          token: async () => (tokenFile === undefined ? token : (await readFile(tokenFile, 'utf8')).trim()),
          registration: () => ({
            node_id: options.name,
            machine_id: machineId(parts.peerId),
            address: `http://${formatHostPort(advertised(options, parts.api()))}`,
            pools: parts
              .pools()
              .slice(0, HEARTBEAT_LIMITS.pools)
              .map(({ id }) => id),
            capabilities: parts.capabilities,
            version,
          }),
          heartbeat: () => {
            const available = parts.available();
            const whole = heartbeatDocument({
              now: times.next(),
              ready: parts.ready(),
              pools: parts.pools(),
              available,
              digests: parts.digests(),
              incoming: incoming(parts.active(), available),
              disk: parts.disk(),
            });
            return fit.fit(whole);
          },
          clock,
          random,
          log,
          connected,
        },
      ),
  );
}

/**
 * What moves first, then as it is queued. A fetch outlives the installation by a moment; what is here is no longer on its
 * way.
 */
export function incoming(active: readonly TransferView[], available: readonly string[]): IncomingModel[] {
  if (active.length === 0) return [];
  const here = new Set(available);
  const moving = active.filter(({ state }) => state !== 'queued');
  const queued = active.filter(({ state }) => state === 'queued');
  return [...moving, ...queued].flatMap(({ model, digest, bytesTotal, bytesDone, etaMs }) =>
    here.has(model)
      ? []
      : {
          id: model,
          digest: digest ?? null,
          bytes_total: bytesTotal,
          bytes_missing: Math.max(0, bytesTotal - bytesDone),
          eta_ms: etaMs === undefined ? null : Math.round(etaMs),
        },
  );
}

/** An address that another machine can use, where the API listens on all of them. */
export function advertised({ advertise }: ReportOptions, api: HostPort): HostPort {
  if (advertise !== undefined) return { host: advertise.host, port: advertise.port ?? api.port };
  if (api.host !== '0.0.0.0' && api.host !== '::') return api;
  const addresses = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  const outside = addresses.find(
    ({ address, internal, family }) => !internal && family === 'IPv4' && !isLoopbackHost(address),
  );
  return { host: outside?.address ?? hostname(), port: api.port };
}
