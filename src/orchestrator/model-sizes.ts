import { aliasesOf } from '../content/model-rules.ts';
import { textBytes } from './retained-bytes.ts';

/** An entry beside its name. */
const ENTRY_BYTES = 96;

/** How large models are, remembered from when they were on their way; what was said longest ago is forgotten first. */
export class ModelSizes {
  readonly #maxBytes: number;
  readonly #sizes = new Map<string, number>();
  #usedBytes = 0;

  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** By id or by a name that follows from the id. */
  of(name: string): number | undefined {
    return this.#sizes.get(name);
  }

  note(id: string, bytes: number): void {
    if (bytes === 0 || this.#sizes.get(id) === bytes) return;
    for (const name of [...aliasesOf(id), id]) {
      this.#forget(name);
      this.#sizes.set(name, bytes);
      this.#usedBytes += weightOf(name);
    }
    for (const oldest of this.#sizes.keys()) {
      if (this.#usedBytes <= this.#maxBytes) return;
      this.#forget(oldest);
    }
  }

  #forget(name: string): void {
    if (this.#sizes.delete(name)) this.#usedBytes -= weightOf(name);
  }
}

function weightOf(name: string): number {
  return ENTRY_BYTES + textBytes(name);
}
