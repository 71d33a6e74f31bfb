import type { Blake3Engine } from '../content/blake3.ts';
import type { DataPlane } from './data-plane.ts';
import { FileOrigin } from './file-origin.ts';
import { HttpOrigin } from './http-origin.ts';
import type { Origin } from './origin.ts';
import { parseOriginUrl } from './origin-url.ts';

/** The origin behind a URL; nothing is read yet. @throws ShoalError `invalid` */
export function openOrigin(url: string, parts: { readonly plane: DataPlane; readonly blake3: Blake3Engine }): Origin {
  const address = parseOriginUrl(url);
  switch (address.kind) {
    case 'file':
      return new FileOrigin({ address }, parts);
    case 'http':
      return new HttpOrigin({ address }, parts);
  }
}
