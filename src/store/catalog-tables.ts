import type { Log } from '../util/log.ts';
import type { Database } from './database.ts';
import { FileTable } from './file-table.ts';
import { GivenNames } from './given-names.ts';
import { HeldModels } from './held-models.ts';
import type { RememberedFile } from './known-file.ts';
import { ManifestTable } from './manifest-table.ts';

/** What the catalog keeps over a restart. */
export interface CatalogTables {
  readonly table: FileTable;
  /** What the table of files said at the start. */
  readonly remembered: Map<string, RememberedFile>;
  readonly manifests: ManifestTable;
  readonly names: GivenNames;
  readonly held: HeldModels;
}

export async function openCatalogTables(parts: {
  readonly database: Database;
  readonly log: Log;
}): Promise<CatalogTables> {
  const table = new FileTable({ table: parts.database.json('files'), log: parts.log });
  return {
    table,
    remembered: await table.load(),
    manifests: await ManifestTable.open(parts),
    held: await HeldModels.open(parts),
    names: await GivenNames.open(parts),
  };
}
