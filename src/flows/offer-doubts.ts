import { createHash } from 'node:crypto';
import type { OfferedFile } from './offers.ts';

const MAX_REFUTED = 4096;
const MAX_FAILED = 1024;

/**
 * What has been learnt of offers by trying them. Anybody may announce a true sha256 with a manifest of other bytes; that
 * shows only when the whole has arrived, and then it must not be tried again, and again.
 */
export class OfferDoubts {
  readonly #refuted = new Set<string>();
  readonly #failures = new Map<string, number>();
  #turn = 0;

  /** All pieces fit this manifest, and the whole is not what it promises: no bytes can ever fit both. */
  refute(manifest: string): void {
    forgetOldest(this.#refuted, MAX_REFUTED);
    this.#refuted.add(manifest);
  }

  isRefuted(files: readonly OfferedFile[]): boolean {
    return (
      this.#refuted.size > 0 && files.some(({ manifest }) => manifest !== undefined && this.#refuted.has(manifest))
    );
  }

  /** An attempt with these manifests has come to nothing, whoever was to blame. */
  failed(files: readonly OfferedFile[]): void {
    const key = keyOf(files);
    this.#failures.delete(key);
    forgetOldest(this.#failures, MAX_FAILED);
    this.#turn += 1;
    this.#failures.set(key, this.#turn);
  }

  /** Grows with time: of two that failed, the one that did so longer ago is next. 0 for one that never did. */
  lastFailureOf(files: readonly OfferedFile[]): number {
    return this.#failures.size === 0 ? 0 : (this.#failures.get(keyOf(files)) ?? 0);
  }
}

function keyOf(files: readonly OfferedFile[]): string {
  const hash = createHash('sha256');
  for (const { path, sizeBytes, manifest } of files) hash.update(`${path}\0${sizeBytes}\0${manifest ?? ''}\n`);
  return hash.digest('base64');
}

function forgetOldest(known: Set<string> | Map<string, unknown>, limit: number): void {
  const [oldest] = known.keys();
  if (known.size >= limit && oldest !== undefined) known.delete(oldest);
}
