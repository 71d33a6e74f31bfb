import type { BigIntStats } from 'node:fs';

/**
 * What tells that a file is still the one that was hashed. The change time is part of it because, unlike the
 * modification time, no program can put it back.
 */
export interface FileStamp {
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
  readonly device: bigint;
}

export function stampOf(stats: BigIntStats): FileStamp {
  return {
    sizeBytes: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    inode: stats.ino,
    device: stats.dev,
  };
}

/**
 * The device is left out: NFS, btrfs, LVM and USB disks get other device numbers at every boot, and all models would be
 * hashed again.
 */
export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.ctimeNs === b.ctimeNs && sameButLinks(a, b);
}

/** Equal but for the change time, which moves when we link or unlink the file ourselves. */
export function sameButLinks(a: FileStamp, b: FileStamp): boolean {
  return a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs && a.inode === b.inode;
}

/** For JSON, which has no big integers. */
export function encodeStamp(stamp: FileStamp): string {
  const { sizeBytes, mtimeNs, ctimeNs, inode, device } = stamp;
  return [sizeBytes, mtimeNs, ctimeNs, inode, device].map((part) => part.toString(36)).join(' ');
}

/** So many of base 36 make a number without rounding. */
const EXACT_DIGITS = 10;

/** Undefined for text that `encodeStamp` did not write. */
export function decodeStamp(text: string): FileStamp | undefined {
  const parts = text.split(' ');
  if (parts.length !== 5 || !parts.every((part) => /^[0-9a-z]+$/.test(part))) return undefined;
  const [sizeBytes = 0n, mtimeNs = 0n, ctimeNs = 0n, inode = 0n, device = 0n] = parts.map(fromBase36);
  return { sizeBytes: Number(sizeBytes), mtimeNs, ctimeNs, inode, device };
}

function fromBase36(text: string): bigint {
  let value = 0n;
  for (let at = 0; at < text.length; at += EXACT_DIGITS) {
    const digits = text.slice(at, at + EXACT_DIGITS);
    value = value * 36n ** BigInt(digits.length) + BigInt(Number.parseInt(digits, 36));
  }
  return value;
}
