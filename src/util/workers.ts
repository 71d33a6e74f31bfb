import { availableParallelism } from 'node:os';

/** How many threads move bytes and how many hash what is new on the disk; one core stays for the main thread. */
export function workersFor(configured: number | undefined): { data: number; hash: number } {
  const data = configured ?? Math.min(4, Math.max(1, availableParallelism() - 1));
  return { data, hash: Math.max(1, Math.floor(data / 2)) };
}
