import type { DaemonConfig } from './config/daemon-config.ts';
import type { OrchestratorConfig, OrchestratorFlags } from './config/orchestrator-config.ts';
import type { DaemonFlags, Environment } from './config/resolve.ts';
import { type SystemdOptions, systemdOptions } from './util/systemd.ts';

export type { DaemonConfig, OrchestratorSetting, PoolSetting } from './config/daemon-config.ts';
export type { OrchestratorConfig, OrchestratorFlags } from './config/orchestrator-config.ts';
export type { DaemonFlags, Environment } from './config/resolve.ts';

/** The process's own environment: no other file reads it. */
const processEnvironment: Environment = process.env;

/**
 * Flags over SHOAL_… variables over the YAML file (`--config`, `SHOAL_CONFIG`) over defaults.
 * @throws ShoalError `invalid`, naming the setting, its value and the remedy
 */
export async function loadDaemonConfig(
  flags: DaemonFlags,
  environment: Environment = processEnvironment,
): Promise<DaemonConfig> {
  // Loaded late: client commands start without the parsers of the daemon's settings.
  const { resolveDaemonConfig } = await import('./config/resolve.ts');
  return resolveDaemonConfig(flags, environment);
}

/** @throws ShoalError `invalid`, naming the setting, its value and the remedy */
export async function loadOrchestratorConfig(
  flags: OrchestratorFlags,
  environment: Environment = processEnvironment,
): Promise<OrchestratorConfig> {
  const { resolveOrchestratorConfig } = await import('./config/orchestrator-config.ts');
  return resolveOrchestratorConfig(flags, environment);
}

export interface ClientSettings {
  /** What SHOAL_API says, else `http://127.0.0.1:7420`. */
  readonly api: string;
  readonly token: string | undefined;
  readonly color: boolean;
}

export function clientSettings(environment: Environment = processEnvironment): ClientSettings {
  return {
    api: environment['SHOAL_API'] || 'http://127.0.0.1:7420',
    token: environment['SHOAL_TOKEN'] || undefined,
    // no-color.org: any value, not an empty one.
    color: !environment['NO_COLOR'] && environment['TERM'] !== 'dumb',
  };
}

/** What systemd put into the environment of its service; nothing outside one. */
export function systemdSettings(environment: Environment = processEnvironment): SystemdOptions {
  return systemdOptions(environment, process.pid);
}
