import { type CipherGCM, createCipheriv, createHash, type Hash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

const STEP_BYTES = 4 << 20;
const ZEROS = new Uint8Array(STEP_BYTES);

export interface MadeFile {
  /** Absolute. */
  readonly file: string;
  readonly sizeBytes: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/** An AES-CTR key stream: pseudo-random bytes that depend on the seed alone, at memory speed. */
function keyStream(seed: string): (length: number) => Uint8Array {
  const key = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)) as CipherGCM;
  return (length) => cipher.update(ZEROS.subarray(0, length));
}

/** The first `length` bytes of the seed's stream. */
export function randomBytesOf(seed: string, length: number): Uint8Array {
  const next = keyStream(seed);
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += STEP_BYTES) out.set(next(Math.min(STEP_BYTES, length - at)), at);
  return out;
}

/** Writes `header`, then `bodyBytes` of the seed's stream; says what came out. */
export async function writeRandomFile(
  file: string,
  content: { header?: Uint8Array; bodyBytes: number; seed: string },
): Promise<MadeFile> {
  const { header = new Uint8Array(), bodyBytes, seed } = content;
  await mkdir(dirname(file), { recursive: true });
  const sha: Hash = createHash('sha256').update(header);
  const next = keyStream(seed);
  await using handle = await open(file, 'w');
  await writeAll(handle, header);
  for (let left = bodyBytes; left > 0; left -= STEP_BYTES) {
    const chunk = next(Math.min(STEP_BYTES, left));
    sha.update(chunk);
    await writeAll(handle, chunk);
  }
  return { file, sizeBytes: header.length + bodyBytes, sha256: sha.digest('hex') };
}

async function writeAll(
  handle: { write(bytes: Uint8Array): Promise<{ bytesWritten: number }> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes.subarray(at))).bytesWritten;
}
