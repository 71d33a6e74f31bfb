import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, messageOf, ShoalError } from '../util/errors.ts';
import type { HostPort } from '../util/host-port.ts';
import type { LogLevel } from '../util/log.ts';
import type { Environment } from './resolve.ts';
import { orchestratorVariables } from './settings.ts';
import * as values from './values.ts';

/** What an orchestrator runs with. */
export interface OrchestratorConfig {
  readonly api: HostPort;
  /** Absolute. */
  readonly dataDir: string;
  /** The text of the token file, or the token of the environment; absent when there is neither. */
  readonly tokens?: { readonly text: string; readonly where: string };
  readonly logLevel: LogLevel;
}

export interface OrchestratorFlags {
  readonly api?: string;
  readonly data?: string;
  readonly tokenFile?: string;
  readonly logLevel?: string;
}

/** Beside the ports of a daemon, so that one of each can run on a machine. */
const DEFAULT_PORT = 7430;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/**
 * Flags over SHOAL_ORCHESTRATOR_… variables over defaults.
 * @throws ShoalError `invalid`, naming the setting, its value and the remedy
 */
export async function resolveOrchestratorConfig(
  flags: OrchestratorFlags,
  environment: Environment,
): Promise<OrchestratorConfig> {
  const one = <T>(flag: keyof OrchestratorFlags, name: string, parse: (text: string) => T): T | undefined => {
    const variable = orchestratorVariables[flag];
    const given = flags[flag] ?? (environment[variable] || undefined);
    const where = flags[flag] === undefined ? variable : `--${name}`;
    return given === undefined ? undefined : named(where, () => parse(given));
  };
  const path = (text: string): string => values.parsePath(text, process.cwd());
  const tokens = await tokensOf(one('tokenFile', 'token-file', path), environment);
  return {
    api: one('api', 'api', (text) => values.parseAddress(text, '127.0.0.1')) ?? {
      host: '127.0.0.1',
      port: DEFAULT_PORT,
    },
    dataDir: one('data', 'data', path) ?? stateHome(environment),
    logLevel: one('logLevel', 'log-level', (text) => values.parseChoice(text, LEVELS)) ?? 'info',
    ...(tokens === undefined ? {} : { tokens }),
  };
}

async function tokensOf(file: string | undefined, environment: Environment): Promise<OrchestratorConfig['tokens']> {
  if (file === undefined) {
    const where = environment['SHOAL_TOKEN'] ? 'SHOAL_TOKEN' : 'LLORCH_API_TOKEN';
    const text = environment[where];
    return text ? { text: named(where, () => values.parseToken(text)), where } : undefined;
  }
  try {
    return { text: await readFile(file, 'utf8'), where: `--token-file: ${file}` };
  } catch (error) {
    throw new ShoalError('invalid', `--token-file: cannot read ${file} (${errnoOf(error) ?? messageOf(error)})`, {
      cause: error,
      remedy: 'Make it with "openssl rand -hex 32 >FILE; chmod 600 FILE", readable for the orchestrator.',
    });
  }
}

function named<T>(where: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error;
    throw new ShoalError('invalid', `${where}: ${error.message}`, {
      cause: error,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    });
  }
}

function stateHome(environment: Environment): string {
  return join(environment['XDG_STATE_HOME'] || join(homedir(), '.local/state'), 'shoal-orchestrator');
}
