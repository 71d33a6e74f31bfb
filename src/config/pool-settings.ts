import { Value } from 'typebox/value';
import { ShoalError } from '../util/errors.ts';
import type { GpuSetting, PoolManagerSetting, PoolSetting } from './daemon-config.ts';
import { type Given, listOf, named, optional } from './given.ts';
import { GpuSchema, PoolManagerSchema, PoolSchema } from './settings-file.ts';
import * as values from './values.ts';

interface PoolSources {
  find(key: 'pools' | 'pool-manager' | 'gpus'): Given | undefined;
}

/** What orchestrators are told of this machine's engines and GPUs. @throws ShoalError `invalid` */
export function poolSettings(given: PoolSources): {
  pools: PoolSetting[];
  poolManager?: PoolManagerSetting;
  gpus?: GpuSetting[];
} {
  return {
    pools: pools(given.find('pools')),
    ...optional('poolManager', poolManager(given.find('pool-manager'))),
    ...optional('gpus', gpus(given.find('gpus'))),
  };
}

function pools(found: Given | undefined): PoolSetting[] {
  if (found === undefined) return [];
  return named(found.where, () =>
    listOf(found.value).map((entry) => {
      if (!Value.Check(PoolSchema, entry)) {
        throw new ShoalError('invalid', `${JSON.stringify(entry)} is not a pool`, {
          remedy: 'Write {id, engine, slots, vram}, with slots as a whole number.',
        });
      }
      return {
        id: entry.id,
        ...optional('engine', entry.engine),
        slots: entry.slots ?? 1,
        vramBytes: entry.vram === undefined ? 0 : values.parseSize(`${entry.vram}`),
      };
    }),
  );
}

function poolManager(found: Given | undefined): PoolManagerSetting | undefined {
  if (found === undefined) return undefined;
  return named(found.where, () => {
    const value = typeof found.value === 'string' ? { url: found.value } : found.value;
    if (!Value.Check(PoolManagerSchema, value)) {
      throw new ShoalError('invalid', `${JSON.stringify(value)} is not a pool manager`, {
        remedy: 'Write its URL, or {url, status, token-file}.',
      });
    }
    const tokenFile = value['token-file'];
    return {
      url: values.parseServiceUrl(value.url),
      ...optional('statusPath', value.status?.replace(/^\/+/, '')),
      ...optional('tokenFile', tokenFile === undefined ? undefined : values.parsePath(tokenFile, found.baseDir)),
    };
  });
}

function gpus(found: Given | undefined): GpuSetting[] | undefined {
  if (found === undefined) return undefined;
  return named(found.where, () =>
    listOf(found.value).map((entry) => {
      if (!Value.Check(GpuSchema, entry)) {
        throw new ShoalError('invalid', `${JSON.stringify(entry)} is not a GPU`, {
          remedy: 'Write {name, vram, compute-capability}.',
        });
      }
      const { name, vram, 'compute-capability': capability } = entry;
      return {
        name,
        vramBytes: vram === undefined ? 0 : values.parseSize(`${vram}`),
        ...optional('computeCapability', capability === undefined ? undefined : `${capability}`),
      };
    }),
  );
}
