import type { Sha256 } from '../content/digest.ts';
import { HaveReport } from './wire/exchange.js';

/** New pieces of a blob as messages. All who listen are told the same at the same moment, so the last message is kept. */
export class HaveNews {
  #last: { readonly key: string; readonly message: Uint8Array } | undefined;

  /** @param ascending at least one index */
  encode(sha256: Sha256, ascending: readonly number[]): Uint8Array {
    const key = `${sha256} ${ascending.join()}`;
    if (this.#last?.key !== key) {
      const delta = { steps: ascending.map((index, at) => (at === 0 ? index : index - (ascending[at - 1] ?? 0))) };
      this.#last = { key, message: encodeReport(sha256, { delta }) };
    }
    return this.#last.message;
  }
}

export function encodeReport(sha256: Sha256, report: Omit<HaveReport, 'sha256'>): Uint8Array {
  return HaveReport.encode({ sha256: Uint8Array.from(Buffer.from(sha256, 'hex')), ...report });
}
