import { ShoalError } from '../util/errors.ts';

/** What all nodes together may make the orchestrator hold, however many they are and whatever each of them says. */
export class RetainedBytes {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A node that says less than before is always heard. @throws ShoalError `source-busy` */
  assertRoom(beforeBytes: number, afterBytes: number): void {
    if (afterBytes <= beforeBytes || this.#usedBytes - beforeBytes + afterBytes <= this.#maxBytes) return;
    const mib = Math.round(this.#maxBytes / 2 ** 20);
    throw new ShoalError('source-busy', `what all nodes report fills the ${mib} MiB that are held of it`, {
      remedy:
        'Delete nodes that report names by mistake (DELETE /v2/nodes/{id}), or run an orchestrator for each part of the fleet.',
    });
  }

  replace(beforeBytes: number, afterBytes: number): void {
    this.#usedBytes += afterBytes - beforeBytes;
  }
}

/** Of a text in memory; one character beyond Latin-1 makes all of them two bytes wide. */
export function textBytes(text: string): number {
  return /^[\u0000-\u00ff]*$/.test(text) ? text.length : 2 * text.length;
}
