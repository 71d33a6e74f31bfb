/** The BLAKE3 engine: native where a prebuilt binary fits the platform, WebAssembly otherwise, both with 32-byte digests. */
export interface Blake3Engine {
  readonly kind: 'native' | 'wasm';
  hash(bytes: Uint8Array): Uint8Array;
  /** A hash over bytes that come one after the other; `digest` ends it. One that is given up needs no closing. */
  create(): Blake3Stream;
}

export interface Blake3Stream {
  update(bytes: Uint8Array): this;
  /** The 32 bytes. @throws Error when called twice */
  digest(): Uint8Array;
}

export const BLAKE3_BYTES = 32;

/** The digest of no bytes, from the test vectors of the BLAKE3 team. */
const EMPTY = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262';
/** WebAssembly memory never shrinks, so inputs go in by small steps; larger ones are not faster. */
const WASM_STEP_BYTES = 64 * 1024;

/** Loads the native engine, or the WebAssembly one where that fails or is preferred. Works in worker threads too. */
export async function loadBlake3(prefer: 'native' | 'wasm' = 'native'): Promise<Blake3Engine> {
  return prefer === 'wasm' ? await wasmEngine() : await firstThatWorks([nativeEngine, wasmEngine]);
}

/** An engine that loads but computes something else (a wrong binary) is no engine. */
export async function firstThatWorks(loaders: readonly (() => Promise<Blake3Engine>)[]): Promise<Blake3Engine> {
  const failures: unknown[] = [];
  for (const load of loaders) {
    try {
      const engine = await load();
      const empty = Buffer.from(engine.hash(new Uint8Array(0))).toString('hex');
      if (empty !== EMPTY) throw new Error(`the ${engine.kind} BLAKE3 of no bytes is ${empty}`);
      return engine;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, 'no BLAKE3 engine works here');
}

async function nativeEngine(): Promise<Blake3Engine> {
  const { blake3, Blake3Hasher } = await import('@napi-rs/blake-hash');
  return {
    kind: 'native',
    hash: (bytes) => Uint8Array.from(blake3(bytes)),
    create() {
      const hasher = new Blake3Hasher();
      return streamOver(
        (bytes) => hasher.update(bytes),
        () => hasher.digestBuffer(),
      );
    },
  };
}

async function wasmEngine(): Promise<Blake3Engine> {
  const { createHash } = await import('blake3-wasm');
  // A hasher lives in WebAssembly memory, which no garbage collector sees: `digest` frees it, and the registry frees those
  // whose stream was dropped before its end (a piece that was cancelled or broke off).
  const dropped = new FinalizationRegistry<{ dispose(): void }>((hasher) => {
    hasher.dispose();
  });
  const create = (): Blake3Stream => {
    const hasher = createHash();
    const stream = streamOver(
      (bytes) => {
        for (let at = 0; at < bytes.length; at += WASM_STEP_BYTES) {
          hasher.update(bytes.subarray(at, at + WASM_STEP_BYTES));
        }
      },
      () => {
        dropped.unregister(hasher);
        return hasher.digest();
      },
    );
    dropped.register(stream, hasher, hasher);
    return stream;
  };
  return { kind: 'wasm', hash: (bytes) => create().update(bytes).digest(), create };
}

function streamOver(update: (bytes: Uint8Array) => void, digest: () => Uint8Array): Blake3Stream {
  let ended = false;
  return {
    update(bytes) {
      if (ended) throw new Error('this BLAKE3 has ended');
      update(bytes);
      return this;
    },
    digest() {
      if (ended) throw new Error('this BLAKE3 has ended');
      ended = true;
      return Uint8Array.from(digest());
    },
  };
}
