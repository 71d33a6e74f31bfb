import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBytes } from '../src/util/bytes.ts';
import type { DaemonProcess } from '../test/support/daemon-process.ts';
import { sha256OfFile } from '../test/support/hash-file.ts';
import type { StockedModel } from './stock.ts';

export interface FileVerdict {
  readonly node: string;
  readonly path: string;
  readonly fault: string;
}

/** Reads every byte of every node's models directory again, without asking any daemon. */
export async function checkEveryFile(
  daemons: readonly DaemonProcess[],
  stock: readonly StockedModel[],
): Promise<{ checked: number; bytes: number; faults: FileVerdict[] }> {
  const expected = new Map(stock.flatMap((model) => [...model.files]));
  const faults: FileVerdict[] = [];
  let checked = 0;
  let bytes = 0;
  for (const { name: node, modelsDir } of daemons) {
    const present = new Set<string>();
    for (const entry of await readdir(modelsDir, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name).slice(modelsDir.length + 1);
      if (entry.isFile() && !path.startsWith('.shoal/')) present.add(path);
    }
    for (const path of present)
      if (!expected.has(path)) faults.push({ node, path, fault: 'nobody asked for this file' });
    for (const [path, { sha256, sizeBytes }] of expected) {
      checked += 1;
      bytes += sizeBytes;
      if (!present.has(path)) faults.push({ node, path, fault: 'missing' });
      else if ((await sha256OfFile(join(modelsDir, path))) !== sha256)
        faults.push({ node, path, fault: 'wrong sha256' });
    }
  }
  return { checked, bytes, faults };
}

export function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}   ${value}`).join('\n');
}

/** `412 MiB, 1.05 copies`. */
export function copies(bytes: number, oneCopyBytes: number): string {
  return `${formatBytes(bytes)}, ${(bytes / oneCopyBytes).toFixed(2)} copies`;
}
