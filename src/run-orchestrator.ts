import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { startOrchestratorApi } from './api/orchestrator/start-orchestrator-api.ts';
import { type OrchestratorConfig, systemdSettings } from './config.ts';
import type { NodeRecord } from './orchestrator/fleet-node.ts';
import { type CatalogModel, ModelCatalog } from './orchestrator/model-catalog.ts';
import { NodeRegistry } from './orchestrator/node-registry.ts';
import { Orchestrator } from './orchestrator/orchestrator.ts';
import { orchestratorGauges } from './orchestrator/orchestrator-gauges.ts';
import type { DurableTable } from './orchestrator/table.ts';
import { TokenTable } from './orchestrator/token-table.ts';
import { Database, type Table } from './store/database.ts';
import { systemClock } from './util/clock.ts';
import { ShoalError } from './util/errors.ts';
import { Lifecycle } from './util/lifecycle.ts';
import { createLog, type Log } from './util/log.ts';
import { Metrics } from './util/metrics.ts';
import { systemRandom } from './util/random.ts';
import { SystemdNotifier } from './util/systemd.ts';
import { version } from './util/version.ts';

/**
 * Runs an orchestrator until SIGINT or SIGTERM, then closes it; returns the exit code.
 * @throws ShoalError when it cannot start: `conflict` for an address or a directory in use, `invalid`
 */
export async function runOrchestrator(config: OrchestratorConfig): Promise<number> {
  const log = createLog({ level: config.logLevel });
  const lifecycle = new Lifecycle({ log });
  const systemd = new SystemdNotifier(systemdSettings(), { log });
  const stop = (signal: NodeJS.Signals): void => {
    if (lifecycle.signal.aborted) process.exit(130);
    log.info({ signal }, 'stopping');
    lifecycle.stop();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    const api = await startParts(config, { lifecycle, log });
    log.info({ api, dataDir: config.dataDir, version }, 'ready');
    await systemd.ready();
    // A signal may have come while the parts were still starting.
    if (!lifecycle.signal.aborted) await once(lifecycle.signal, 'abort');
    await systemd.stopping();
  } catch (error) {
    lifecycle.stop();
    await lifecycle.finished();
    throw error;
  }
  let exitCode = 0;
  try {
    await lifecycle.finished();
  } catch (error) {
    log.error({ err: error }, 'the orchestrator has failed');
    exitCode = 1;
  }
  process.off('SIGINT', stop).off('SIGTERM', stop);
  log.info({}, 'ended');
  return exitCode;
}

/** Returns the URL of the API. */
async function startParts(
  config: OrchestratorConfig,
  { lifecycle, log }: { lifecycle: Lifecycle; log: Log },
): Promise<string> {
  const clock = systemClock;
  const metrics = new Metrics();
  metrics.addProcess();
  const tokens = tokenTable(config);
  const database = lifecycle.own('database', await Database.open(config.dataDir));
  const registry = await NodeRegistry.open({ table: durable(database.json<NodeRecord>('nodes')), clock, log });
  const catalog = await ModelCatalog.open({ table: durable(database.json<CatalogModel>('catalog')), clock });
  const orchestrator = new Orchestrator({ registry, catalog, clock, random: systemRandom, newId: randomUUID });
  orchestratorGauges(metrics, orchestrator);
  const api = lifecycle.own(
    'api',
    await startOrchestratorApi({ ...config.api, version }, { orchestrator, tokens, metrics, clock, log }),
  );
  lifecycle.run('registry', (signal) => registry.run(signal));
  lifecycle.run('leases', (signal) => orchestrator.run(signal));
  return api.url;
}

function tokenTable({ tokens }: OrchestratorConfig): TokenTable | undefined {
  if (tokens === undefined) return undefined;
  try {
    return TokenTable.parse(tokens.text);
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error;
    const remedy = error.remedy === undefined ? {} : { remedy: error.remedy };
    throw new ShoalError('invalid', `${tokens.where}: ${error.message}`, { cause: error, ...remedy });
  }
}

function durable<V>(table: Table<V>): DurableTable<V> {
  return {
    entries: () => table.iterator(),
    put: (key, value) => table.put(key, value),
    del: (key) => table.del(key),
  };
}
