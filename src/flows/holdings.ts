import { Bitfield } from '../content/bitfield.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import type { Catalog } from '../store/catalog.ts';
import type { Partial } from '../store/partial-store.ts';
import type { ServedBlob } from '../transfer/serving.ts';
import type { DraftBook } from './draft-book.ts';

/** What this node can give to others now: whole files, and the pieces of what it is still fetching. */
export class Holdings {
  readonly #catalog: Catalog;
  readonly #drafts: DraftBook;
  readonly #growing = new Map<string, { readonly partial: Partial; readonly have: Bitfield }>();

  constructor(parts: { readonly catalog: Catalog; readonly drafts: DraftBook }) {
    this.#catalog = parts.catalog;
    this.#drafts = parts.drafts;
  }

  /** From now on until `close` the partial is served, as far as `have` has grown. */
  open(partial: Partial, have: Bitfield): { close: () => void } {
    const entry = { partial, have };
    this.#growing.set(partial.sha256, entry);
    return {
      close: () => {
        if (this.#growing.get(partial.sha256) === entry) this.#growing.delete(partial.sha256);
      },
    };
  }

  /** @param sha256 or the name of a draft */
  locate(sha256: string): ServedBlob | undefined {
    const file = this.#catalog.locateBlob(this.#drafts.blobOf(sha256));
    if (file !== undefined) return { kind: 'file', path: file.path, stamp: file.stamp };
    const growing = this.#growing.get(sha256);
    if (growing === undefined) return undefined;
    const { partial, have } = growing;
    return { kind: 'partial', path: partial.path, sizeBytes: partial.sizeBytes, have };
  }

  haveMap(sha256: string): { complete: boolean; have: Bitfield } | undefined {
    const file = this.#catalog.locateBlob(this.#drafts.blobOf(sha256));
    if (file !== undefined) return { complete: true, have: Bitfield.full(geometryOf(file.stamp.sizeBytes).pieceCount) };
    const growing = this.#growing.get(sha256);
    return growing === undefined ? undefined : { complete: growing.have.complete, have: growing.have };
  }

  partials(): { sha256: string; sizeBytes: number; manifest: string }[] {
    const lingering = this.#drafts.lingering().map(({ id, ...draft }) => ({ ...draft, sha256: id }));
    const growing = [...this.#growing.values()].map(({ partial }) => partial);
    const byName = new Map([...lingering, ...growing].map((partial) => [partial.sha256, partial]));
    return Array.from(byName.values(), ({ sha256, sizeBytes, manifest }) => ({ sha256, sizeBytes, manifest }));
  }
}
