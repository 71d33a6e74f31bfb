import type { FleetMember } from './fleet-members.ts';
import type { ProblemView } from './views.ts';

export type CatalogState = 'Active' | 'Retired';

/** One model as `GET /v2/catalog/models/{id}` shows it. */
export interface CatalogEntryView {
  readonly id: string;
  readonly aliases: readonly string[];
  /** `sha256:<hex>`; absent while nobody has hashed it. */
  readonly digest?: string;
  readonly size_bytes: number;
  readonly source_url?: string;
  readonly state: CatalogState;
  /** When a model that is to be retired stops to be reported, milliseconds since the epoch. */
  readonly deadline_ms?: number;
  /** When this node last read every byte of it because it was asked to. */
  readonly last_verified_ms: number | null;
  /** Of the copy on this node. */
  readonly status: 'available' | 'verifying' | 'fetching' | 'queued' | 'missing' | 'corrupt';
  /** Names of the nodes that have it installed. */
  readonly nodes: readonly string[];
  readonly problem?: ProblemView;
}

/** The catalog as orchestrators know it: `/v2/catalog/…`. Names are ids, aliases or registered ids. */
export interface CatalogService {
  /** Everything that anybody in the fleet has, and what is registered here. */
  list(): CatalogEntryView[];
  /** @throws ShoalError `not-found` */
  get(name: string): CatalogEntryView;
  /**
   * Bytes that are here are verified and get the id as an alias; others are fetched, and accepted with that digest only.
   * Both take their time and go on after the answer.
   * @throws ShoalError `invalid`, `conflict` when the id is that of a model with other bytes
   */
  register(request: { id: string; digest: string; sourceUrl?: string }): Promise<CatalogEntryView>;
  /** Withdraws it everywhere, then deletes its files here; forgets its registrations. @throws `not-found`, `conflict` */
  remove(name: string): Promise<void>;
  /** Starts to read every byte again. @throws ShoalError `not-found` when it is not installed here */
  verify(name: string): CatalogEntryView;
  /** `deadlineMs` from now on or since the epoch; at once without it. @throws ShoalError `not-found` */
  setState(name: string, state: CatalogState, deadlineMs: number | undefined): Promise<CatalogEntryView>;
  /** Every node of the fleet with what it reports. */
  members(): FleetMember[];
}
