import { type Blake3Engine, loadBlake3 } from '../content/blake3.ts';
import { manifestCid } from '../content/cid.ts';
import type { Database, Table } from './database.ts';

const SWEEP_BATCH = 1000;

/** The manifests that this node knows, by CID; of files here and of blobs on their way. */
export class ManifestTable {
  readonly #table: Table<Uint8Array>;
  readonly #blake3: Blake3Engine;

  private constructor(table: Table<Uint8Array>, blake3: Blake3Engine) {
    this.#table = table;
    this.#blake3 = blake3;
  }

  static async open(parts: { readonly database: Database }): Promise<ManifestTable> {
    return new ManifestTable(parts.database.bytes('manifests'), await loadBlake3());
  }

  async get(cid: string): Promise<Uint8Array | undefined> {
    return this.#table.get(cid);
  }

  async put(bytes: Uint8Array): Promise<string> {
    const cid = manifestCid(bytes, this.#blake3);
    await this.#table.put(cid, bytes);
    return cid;
  }

  /** Forgets all but `needed`. Returns how many. */
  async sweep(needed: ReadonlySet<string>): Promise<number> {
    const stale = (await this.#table.keys().all()).filter((cid) => !needed.has(cid));
    for (let at = 0; at < stale.length; at += SWEEP_BATCH) {
      await this.#table.batch(stale.slice(at, at + SWEEP_BATCH).map((key) => ({ type: 'del', key })));
    }
    return stale.length;
  }
}
