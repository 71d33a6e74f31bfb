import { readFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { Value } from 'typebox/value';
import { errnoOf, messageOf, ShoalError } from '../util/errors.ts';
import { formatHostPort, isLoopbackHost } from '../util/host-port.ts';
import { suggest } from '../util/suggest.ts';
import type { DaemonConfig, OrchestratorSetting } from './daemon-config.ts';
import { type Given, listOf, named, optional } from './given.ts';
import { poolSettings } from './pool-settings.ts';
import { environmentName, orchestratorVariables, type SettingKey, settings } from './settings.ts';
import { OrchestratorSchema, readSettingsFile } from './settings-file.ts';
import * as values from './values.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
/** By setting key; what was not given is absent. */
export type DaemonFlags = Readonly<Partial<Record<SettingKey | 'config', string | readonly string[] | boolean>>>;

/** @throws ShoalError `invalid`, naming the setting, its value and the remedy */
export async function resolveDaemonConfig(flags: DaemonFlags, environment: Environment): Promise<DaemonConfig> {
  const given = await Sources.open(flags, environment);
  const dataDir = given.one('data', values.parsePath) ?? stateHome(environment);
  const api = given.one('api', (text) => values.parseAddress(text, '127.0.0.1')) ?? { host: '127.0.0.1', port: 7420 };
  const anywhere = (text: string) => values.parseAddress(text, '0.0.0.0');
  const config: DaemonConfig = {
    name: given.one('name', values.parseName) ?? defaultName(),
    modelsDir: given.one('models', values.parsePath) ?? modelsHome(environment),
    dataDir,
    api,
    listen: given.one('listen', anywhere) ?? { host: '0.0.0.0', port: 7421 },
    lane: given.one('lane', (text) => (text === 'off' ? text : anywhere(text))) ?? { host: '0.0.0.0', port: 7422 },
    laneEncryption: given.one('lane-encryption', (text) => values.parseChoice(text, ['on', 'off'] as const)) !== 'off',
    fleetKeyFile: given.one('fleet-key', values.parsePath) ?? join(dataDir, 'fleet.key'),
    bootstrap: given.many('bootstrap', values.parseMultiaddr),
    mdns: given.switch('mdns') ?? true,
    origins: given.many('origin', values.parseOrigin),
    orchestrators: orchestrators(given, environment),
    ...optional('cacheMaxBytes', given.one('cache-max', values.parseSize)),
    ...optional('upLimit', given.one('up-limit', values.parseRate)),
    ...optional('downLimit', given.one('down-limit', values.parseRate)),
    ...optional('originLimit', given.one('origin-limit', values.parseRate)),
    ...optional('apiToken', await apiToken(given, environment)),
    ...optional('advertise', given.one('advertise', values.parseAdvertise)),
    ...optional('workers', given.one('workers', values.parseWorkers)),
    settleMs: given.one('settle', values.parseDuration) ?? 2_000,
    rescanMs: given.one('rescan', atLeastOneSecond) ?? 600_000,
    logLevel:
      given.one('log-level', (text) =>
        values.parseChoice(text, ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const),
      ) ?? 'info',
    ...optional(
      'blake3',
      given.one('blake3', (text) => values.parseChoice(text, ['native', 'wasm'] as const)),
    ),
    ...poolSettings(given),
    warnings: probableMistakes(environment),
  };
  checkTogether(config);
  return config;
}

interface SettingsFile {
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Where each setting was given, the strongest first. */
class Sources {
  readonly #flags: DaemonFlags;
  readonly #environment: Environment;
  readonly #file: SettingsFile | undefined;

  private constructor(flags: DaemonFlags, environment: Environment, file: SettingsFile | undefined) {
    this.#flags = flags;
    this.#environment = environment;
    this.#file = file;
  }

  static async open(flags: DaemonFlags, environment: Environment): Promise<Sources> {
    const path = (flags.config as string | undefined) ?? nonEmpty(environment['SHOAL_CONFIG']);
    if (path === undefined) return new Sources(flags, environment, undefined);
    const absolute = resolve(path);
    return new Sources(flags, environment, { path: absolute, values: await readSettingsFile(absolute) });
  }

  one<T>(key: SettingKey, parse: (text: string, baseDir: string) => T): T | undefined {
    const given = this.find(key);
    if (given === undefined) return undefined;
    return named(given.where, () => parse(String(given.value as string | number), given.baseDir));
  }

  many<T>(key: SettingKey, parse: (text: string) => T): T[] {
    const given = this.find(key);
    if (given === undefined) return [];
    return named(given.where, () => listOf(given.value).map((entry) => parse(entry as string)));
  }

  /** `mdns: false` and `no-mdns: true` say the same; the stronger place wins. */
  switch(key: 'mdns'): boolean | undefined {
    const on = this.find(key);
    const off = this.find(`no-${key}`);
    const wins = off !== undefined && (on === undefined || (on.rank === 'file' && off.rank === 'environment'));
    const given = wins ? off : on;
    if (given === undefined) return undefined;
    return named(given.where, () => values.parseSwitch(String(given.value as boolean))) !== wins;
  }

  find(key: SettingKey | 'no-mdns'): Given | undefined {
    const flag = key === 'no-mdns' ? undefined : this.#flags[key];
    if (flag !== undefined) return { value: flag, rank: 'flag', where: `--${key}`, baseDir: process.cwd() };
    const variable = environmentName(key);
    const text = nonEmpty(this.#environment[variable]);
    if (text !== undefined) {
      return { value: fromEnvironment(key, text), rank: 'environment', where: variable, baseDir: process.cwd() };
    }
    const value = this.#file?.values[key];
    if (this.#file === undefined || value === undefined) return undefined;
    return { value, rank: 'file', where: `${key} in ${this.#file.path}`, baseDir: dirname(this.#file.path) };
  }
}

/** Lists are separated by white space or commas (a comma inside a URL is written %2C); pools are JSON. */
function fromEnvironment(key: string, text: string): unknown {
  const setting = settings.find((candidate) => candidate.key === key);
  if (setting?.shape === 'many') return text.split(/[\s,]+/).filter((entry) => entry !== '');
  if (setting?.shape !== 'structure') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ShoalError('invalid', `${environmentName(key)}: "${text}" is not JSON`, {
      cause: error,
      remedy: 'Write it like [{"id":"gpu0","engine":"comfyui","slots":1,"vram":"24GB"}].',
    });
  }
}

function orchestrators(given: Sources, environment: Environment): OrchestratorSetting[] {
  const found = given.find('orchestrator');
  const token = nonEmpty(environment['SHOAL_ORCHESTRATOR_TOKEN']) ?? nonEmpty(environment['LLORCH_API_TOKEN']);
  const common = {
    ...optional('tokenFile', given.one('orchestrator-token-file', values.parsePath)),
    ...optional(
      'token',
      token === undefined
        ? undefined
        : named('the orchestrator token in the environment', () => values.parseToken(token)),
    ),
  };
  if (found === undefined) return [];
  return named(found.where, () =>
    listOf(found.value).map((entry) => {
      if (typeof entry === 'string') return { url: values.parseOrchestratorUrl(entry), ...common };
      const own = Value.Parse(OrchestratorSchema, entry);
      const tokenFile =
        own['token-file'] === undefined ? undefined : values.parsePath(own['token-file'], found.baseDir);
      return { url: values.parseOrchestratorUrl(own.url), ...common, ...optional('tokenFile', tokenFile) };
    }),
  );
}

async function apiToken(given: Sources, environment: Environment): Promise<string | undefined> {
  const path = given.one('token-file', values.parsePath);
  const direct = nonEmpty(environment['SHOAL_TOKEN']);
  if (path === undefined)
    return direct === undefined ? undefined : named('SHOAL_TOKEN', () => values.parseToken(direct));
  const where = given.find('token-file')?.where ?? 'token-file';
  try {
    const text = await readFile(path, 'utf8');
    return named(`${where}: ${path}`, () => values.parseToken(text));
  } catch (error) {
    if (error instanceof ShoalError) throw error;
    throw new ShoalError('invalid', `${where}: cannot read ${path} (${errnoOf(error) ?? messageOf(error)})`, {
      cause: error,
      remedy: 'Make it with "openssl rand -hex 32 >FILE; chmod 600 FILE", readable for the daemon.',
    });
  }
}

/** What no single value can show. */
function checkTogether(config: DaemonConfig): void {
  if (config.apiToken === undefined && !isLoopbackHost(config.api.host)) {
    throw new ShoalError('invalid', `api: ${formatHostPort(config.api)} is open to others, and there is no token`, {
      remedy: 'Set SHOAL_TOKEN or token-file, or keep the API on 127.0.0.1.',
    });
  }
  const within = relative(config.modelsDir, config.dataDir);
  const hidden = within.split(sep).some((part) => part.startsWith('.'));
  if (!hidden) {
    throw new ShoalError('invalid', `data: "${config.dataDir}" lies in the models directory "${config.modelsDir}"`, {
      remedy: 'Choose a data directory elsewhere, or one whose name starts with a dot.',
    });
  }
  const ids = new Set<string>();
  for (const { id } of config.pools) {
    if (ids.has(id))
      throw new ShoalError('invalid', `pools: "${id}" is there twice`, { remedy: 'Give each its own id.' });
    ids.add(id);
  }
}

/**
 * SHOAL_… variables that differ from a setting by a slip of the pen. Others are left alone: Kubernetes sets variables
 * like SHOAL_SERVICE_HOST for a service of that name.
 */
function probableMistakes(environment: Environment): string[] {
  const known = [
    ...settings.map((setting) => environmentName(setting.key)),
    ...Object.values(orchestratorVariables),
    ...['SHOAL_NO_MDNS', 'SHOAL_CONFIG', 'SHOAL_TOKEN', 'SHOAL_ORCHESTRATOR_TOKEN'],
  ];
  const warnings: string[] = [];
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('SHOAL_') || known.includes(name) || /_(HOST|PORT)(_|$)/.test(name)) continue;
    const meant = suggest(
      name.slice('SHOAL_'.length),
      known.map((other) => other.slice('SHOAL_'.length)),
    );
    if (meant !== undefined) warnings.push(`${name} is no setting: did you mean SHOAL_${meant}?`);
  }
  return warnings;
}

function atLeastOneSecond(text: string): number {
  const ms = values.parseDuration(text);
  if (ms >= 1_000) return ms;
  throw new ShoalError('invalid', `"${text}" is too often`, { remedy: 'Write a second or more, like 10m.' });
}

function defaultName(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 63);
  return /^[A-Za-z0-9]/.test(name) ? name : 'shoal';
}

function stateHome(environment: Environment): string {
  return join(nonEmpty(environment['XDG_STATE_HOME']) ?? join(homedir(), '.local/state'), 'shoal');
}

function modelsHome(environment: Environment): string {
  return join(nonEmpty(environment['XDG_DATA_HOME']) ?? join(homedir(), '.local/share'), 'shoal/models');
}

/** An empty variable means that it is not set, as compose files and unit files write it. */
function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
