/** The BLAKE3 engine: native where a prebuilt binary fits the platform, WebAssembly otherwise, both with 32-byte digests. */
export interface Blake3Engine {
  readonly kind: 'native' | 'wasm';
  hash(bytes: Uint8Array): Uint8Array;
  /** A hash over bytes that come one after the other; `digest` ends it and must be called once. */
  create(): Blake3Stream;
}

export interface Blake3Stream {
  update(bytes: Uint8Array): this;
  digest(): Uint8Array;
}

export const BLAKE3_BYTES = 32;

/** Loads the native engine, or the WebAssembly one where that fails or is preferred. Works in worker threads too. */
export async function loadBlake3(
  prefer: 'native' | 'wasm' = 'native',
  loadNative: () => Promise<Blake3Engine> = nativeEngine,
): Promise<Blake3Engine> {
  if (prefer === 'wasm') return wasmEngine();
  try {
    return await loadNative();
  } catch {
    return wasmEngine();
  }
}

async function nativeEngine(): Promise<Blake3Engine> {
  const { Blake3Hasher } = await import('@napi-rs/blake-hash');
  const create = (): Blake3Stream => {
    const hasher = new Blake3Hasher();
    const stream: Blake3Stream = {
      update(bytes) {
        hasher.update(viewOf(bytes));
        return stream;
      },
      digest: () => Uint8Array.from(hasher.digestBuffer()),
    };
    return stream;
  };
  // A binary that loads but does not compute is no engine: prove it once.
  create().update(new Uint8Array(0)).digest();
  return { kind: 'native', hash: (bytes) => create().update(bytes).digest(), create };
}

async function wasmEngine(): Promise<Blake3Engine> {
  const blake3 = await import('blake3-wasm');
  const create = (): Blake3Stream => {
    const hasher = blake3.createHash();
    const stream: Blake3Stream = {
      update(bytes) {
        hasher.update(bytes);
        return stream;
      },
      // `digest` also frees the hasher's memory inside the WebAssembly instance.
      digest: () => Uint8Array.from(hasher.digest()),
    };
    return stream;
  };
  return { kind: 'wasm', hash: (bytes) => create().update(bytes).digest(), create };
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
