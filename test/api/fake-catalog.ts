import type { CatalogEntryView, CatalogService, CatalogState } from '../../src/flows/catalog-service.ts';
import type { FleetMember } from '../../src/flows/fleet-members.ts';
import { ShoalError } from '../../src/util/errors.ts';

export function catalogEntry(id: string, change: Partial<CatalogEntryView> = {}): CatalogEntryView {
  return {
    id,
    aliases: [],
    digest: `sha256:${'a'.repeat(64)}`,
    size_bytes: 1,
    state: 'Active',
    last_verified_ms: null,
    status: 'available',
    nodes: ['gpu-1'],
    ...change,
  };
}

/** Entries in memory; it tells what it was asked. */
export class FakeCatalog implements CatalogService {
  readonly entries = new Map<string, CatalogEntryView>();
  fleet: FleetMember[] = [];
  readonly #called: (call: string) => void;

  constructor(called: (call: string) => void) {
    this.#called = called;
  }

  list(): CatalogEntryView[] {
    return [...this.entries.values()];
  }

  get(name: string): CatalogEntryView {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new ShoalError('not-found', `nobody knows ${name}`);
    return entry;
  }

  register(request: { id: string; digest: string; sourceUrl?: string }): Promise<CatalogEntryView> {
    const { id, digest, sourceUrl } = request;
    this.#called(`register ${id} ${digest}${sourceUrl === undefined ? '' : ` ${sourceUrl}`}`);
    const entry = catalogEntry(id, { digest, status: 'missing' });
    this.entries.set(id, entry);
    return Promise.resolve(entry);
  }

  async remove(name: string): Promise<void> {
    this.#called(`catalog remove ${name}`);
    this.entries.delete(this.get(name).id);
    return Promise.resolve();
  }

  verify(name: string): CatalogEntryView {
    this.#called(`catalog verify ${name}`);
    return { ...this.get(name), status: 'verifying' };
  }

  setState(name: string, state: CatalogState, deadlineMs: number | undefined): Promise<CatalogEntryView> {
    this.#called(`state ${name} ${state} ${String(deadlineMs)}`);
    return Promise.resolve({ ...this.get(name), state });
  }

  members(): FleetMember[] {
    return this.fleet;
  }
}
