import { execFile } from 'node:child_process';
import { availableParallelism, totalmem } from 'node:os';
import { promisify } from 'node:util';
import type { Log } from '../util/log.ts';
import type { Capabilities, Gpu } from './heartbeat-documents.ts';

const QUERY_DEADLINE_MS = 5_000;

/** What this machine has; a machine without NVIDIA's driver has no GPUs that an orchestrator could use. */
export async function detectCapabilities(log: Log): Promise<Capabilities> {
  return { gpus: await detectGpus(log), cpu_cores: availableParallelism(), ram_total_bytes: totalmem() };
}

async function detectGpus(log: Log): Promise<Gpu[]> {
  try {
    const query = ['--query-gpu=index,name,memory.total,compute_cap', '--format=csv,noheader,nounits'];
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: QUERY_DEADLINE_MS });
    return parseGpus(stdout);
  } catch (error) {
    log.debug({ err: error }, 'no GPU found with nvidia-smi');
    return [];
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
