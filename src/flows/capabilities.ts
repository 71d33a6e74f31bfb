import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Log } from '../util/log.ts';
import type { Capabilities, Gpu } from './heartbeat-documents.ts';

export interface GpuSetting {
  readonly name: string;
  readonly vramBytes: number;
  readonly computeCapability?: string;
}

const QUERY_DEADLINE_MS = 5_000;
const DRIVER_FOLDER = '/proc/driver/nvidia/gpus';

/** What this machine has; one without NVIDIA's driver has no GPUs that an orchestrator could use, unless it is told so. */
export async function detectCapabilities(
  configured: readonly GpuSetting[] | undefined,
  log: Log,
): Promise<Capabilities> {
  const gpus = configured === undefined ? await detectGpus(log) : configured.map(configuredGpu);
  return { gpus, cpu_cores: availableParallelism(), ram_total_bytes: totalmem() };
}

function configuredGpu({ name, vramBytes, computeCapability }: GpuSetting, index: number): Gpu {
  return {
    device_id: index,
    name,
    vram_total_bytes: vramBytes,
    compute_capability: computeCapability ?? '',
  };
}

async function detectGpus(log: Log): Promise<Gpu[]> {
  try {
    const query = ['--query-gpu=index,name,memory.total,compute_cap', '--format=csv,noheader,nounits'];
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: QUERY_DEADLINE_MS });
    return parseGpus(stdout);
  } catch (error) {
    log.debug({ err: error }, 'no GPU found with nvidia-smi');
    return driverGpus(DRIVER_FOLDER);
  }
}

/** Lines of `0, NVIDIA GeForce RTX 3060, 12288, 8.6`: index, name, MiB, compute capability. */
export function parseGpus(csv: string): Gpu[] {
  const gpus: Gpu[] = [];
  for (const line of csv.split('\n')) {
    const match = /^\s*(\d+), (.+), (\d+), ([\d.]+)\s*$/.exec(line);
    if (match === null) continue;
    const [, index, name, mib, capability] = match;
    gpus.push({
      device_id: Number(index),
      name: name ?? '',
      vram_total_bytes: Number(mib) * 2 ** 20,
      compute_capability: capability ?? '',
    });
  }
  return gpus;
}

/** In a container without nvidia-smi the driver still names its devices; of their memory it says nothing. */
export async function driverGpus(folder: string): Promise<Gpu[]> {
  const gpus: Gpu[] = [];
  const devices = await readdir(folder).catch(() => []);
  for (const device of devices.sort()) {
    const text = await readFile(join(folder, device, 'information'), 'utf8').catch(() => '');
    const name = /^Model:\s*(.+?)\s*$/m.exec(text)?.[1];
    const minor = Number(/^Device Minor:\s*(\d+)/m.exec(text)?.[1] ?? gpus.length);
    if (name !== undefined) gpus.push({ device_id: minor, name, vram_total_bytes: 0, compute_capability: '' });
  }
  return gpus;
}
