import { formatBytes, formatDuration } from '../util/amounts.ts';

export { formatBytes, formatDuration };

/** `1.2 MiB/s`; a dash where nothing moves. */
export function formatRate(bytesPerSecond: number): string {
  return bytesPerSecond < 1 ? '–' : `${formatBytes(bytesPerSecond)}/s`;
}

/** `0:42`, `12:05`, `3 h 20 min`: time left. */
export function formatLeft(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** `now`, `8 s`, `3 min`, `2 h`, `5 d`: how long ago. */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 2) return 'now';
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export function formatPercent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
