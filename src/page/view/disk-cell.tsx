import type { VNode } from 'preact';
import { formatBytes } from '../format.ts';
import { Bar } from './bar.tsx';

interface DiskCellProps {
  /** Whose disk it is. */
  readonly name: string;
  readonly freeBytes: number | undefined;
  readonly totalBytes: number | undefined;
}

/** What is free on the disk of another node, over a bar of what is not; older nodes do not tell how large it is. */
export function DiskCell({ name, freeBytes, totalBytes }: DiskCellProps): VNode {
  if (freeBytes === undefined) return <td class="number disk-cell">–</td>;
  const free = formatBytes(freeBytes);
  if (totalBytes === undefined || totalBytes === 0) {
    return <td class="number disk-cell">{free}</td>;
  }
  const usedShare = Math.min(1, Math.max(0, 1 - freeBytes / totalBytes));
  const text = `${free} of ${formatBytes(totalBytes)} free`;
  return (
    <td class="number disk-cell" title={text}>
      {free}
      <Bar label={`Disk of ${name}`} parts={[{ kind: 'used', share: usedShare }]} meter={{ share: usedShare, text }} />
    </td>
  );
}
