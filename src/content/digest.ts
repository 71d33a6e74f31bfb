import { ShoalError } from '../util/errors.ts';

/** SHA-256 as 64 lower-case hex digits: the name of a blob, as Hugging Face LFS, OCI and Civitai write it. */
export type Sha256 = string;

export function isSha256(text: string): text is Sha256 {
  return /^[0-9a-f]{64}$/.test(text);
}

/** `sha256:<hex>`, as every document outside writes it. */
export function formatDigest(sha256: Sha256): string {
  return `sha256:${sha256}`;
}

/** Takes `sha256:<hex>` or the hex alone, in either case. @throws ShoalError `invalid` */
export function parseDigest(text: string): Sha256 {
  const hex = (text.startsWith('sha256:') ? text.slice(7) : text).toLowerCase();
  if (!isSha256(hex)) {
    throw new ShoalError('invalid', `"${text.slice(0, 100)}" is not a sha256 digest`, {
      remedy: 'Write it as sha256: and 64 hex digits, as sha256sum prints them.',
    });
  }
  return hex;
}
