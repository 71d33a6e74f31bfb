import { draftId } from '../content/draft.ts';
import type { Store } from '../store/store.ts';
import type { FileOrigin } from '../transfer/file-origin.ts';
import type { OriginCopy } from '../transfer/origin-copy.ts';
import type { Offer, OfferedFile } from './offers.ts';

export interface MissingBytesParts {
  readonly store: Pick<Store, 'catalog' | 'partials'>;
  readonly copies: OriginCopy;
  readonly mount: (offer: Offer) => FileOrigin | undefined;
}

/**
 * What of a model is not on this disk yet, neither installed under any name nor in a partial file.
 * @param counted names of blobs that are counted already, to which its own are added: what several models hold is fetched once
 */
export async function missingBytes(
  offer: Offer,
  { store: { catalog, partials }, copies, mount }: MissingBytesParts,
  counted = new Set<string>(),
): Promise<number> {
  const copiedBytes = async ({ path, sizeBytes }: OfferedFile): Promise<number> => {
    const origin = mount(offer);
    return origin === undefined ? 0 : Math.min(sizeBytes, await copies.begunBytes(origin, path));
  };
  let missing = 0;
  for (const file of offer.files) {
    const { sizeBytes } = file;
    const name = file.sha256 ?? draftId(file);
    if (name === undefined) missing += sizeBytes - (await copiedBytes(file));
    else if (!counted.has(name) && catalog.locateBlob(name) === undefined) {
      counted.add(name);
      const partial = partials.find(name);
      missing += sizeBytes - (partial === undefined ? 0 : partials.claimedBytes(partial));
    }
  }
  return missing;
}
