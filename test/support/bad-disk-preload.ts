// Loaded into a daemon and its workers before anything else (`--import`); see bad-disk.ts.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const SMALLEST_READ = 16 << 10;

const switchFile = process.env['BAD_DISK_SWITCH'] ?? '';
const matching = process.env['BAD_DISK_MATCHING'] ?? '';
const original = fs.readSync as (fd: number, buffer: Uint8Array, ...rest: unknown[]) => number;
let reads = 0;

fs.readSync = ((fd: number, buffer: Uint8Array, ...rest: unknown[]): number => {
  const length = original(fd, buffer, ...rest);
  if (length < SMALLEST_READ || !fs.readlinkSync(`/proc/self/fd/${fd}`).includes(matching)) return length;
  const every = Number(fs.readFileSync(switchFile, 'utf8'));
  reads += 1;
  if (every > 0 && reads % every === 0) {
    const start = typeof rest[0] === 'number' ? rest[0] : 0;
    const middle = start + (length >> 1);
    buffer[middle] = (buffer[middle] ?? 0) ^ 1;
  }
  return length;
}) as typeof fs.readSync;
syncBuiltinESMExports();
