import type { Database, Table } from './database.ts';
import { decodeStamp, encodeStamp, type FileStamp } from './file-stamp.ts';

/** A verified file that is about to be, or has been, put into place. */
export interface Placing {
  /** Of the model. */
  readonly id: string;
  readonly path: string;
  readonly sha256: string;
  readonly manifest: string;
  /** Before the link; its change time counts for nothing. */
  readonly stamp: FileStamp;
}

type StoredPlacing = Omit<Placing, 'stamp' | 'path'> & { readonly stamp: string };

/** What the installer is about to do, so that the next start can tell a verified file from any other. By path. */
export class InstallJournal {
  readonly #table: Table<StoredPlacing>;

  constructor(parts: { readonly database: Database }) {
    this.#table = parts.database.json('placing');
  }

  async note({ path, stamp, ...rest }: Placing): Promise<void> {
    await this.#table.put(path, { ...rest, stamp: encodeStamp(stamp) });
  }

  async all(): Promise<Placing[]> {
    const stored = await this.#table.iterator().all();
    return stored.flatMap(([path, { stamp, ...rest }]) => {
      const decoded = decodeStamp(stamp);
      return decoded === undefined ? [] : [{ ...rest, path, stamp: decoded }];
    });
  }

  async of(id: string): Promise<Placing[]> {
    return (await this.all()).filter((placing) => placing.id === id);
  }

  /** The model is installed, or given up. */
  async close(id: string): Promise<void> {
    const paths = (await this.of(id)).map(({ path }) => path);
    await this.#table.batch(paths.map((key) => ({ type: 'del', key })));
  }
}
