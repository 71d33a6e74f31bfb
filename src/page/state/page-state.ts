import type { PieceMap } from '../../api/fleet-schemas.ts';
import type { Node, Origin, Peer, Transfer } from '../../api/schemas.ts';
import type { Connection } from '../api/event-stream.ts';
import type { FleetTable } from './fleet-table.ts';

export type Tone = 'plain' | 'good' | 'bad';

export interface LoggedEvent {
  readonly id: number;
  readonly atMs: number;
  readonly text: string;
  readonly tone: Tone;
}

export interface PeerRate {
  readonly receivedPerSecond: number;
  readonly sentPerSecond: number;
}

/** Everything that the page shows. */
export interface PageState {
  readonly connection: Connection;
  readonly table: FleetTable | undefined;
  /** When the nodes were read: their ages count from then. */
  readonly readAtMs: number;
  /** Of the daemon; absent at an orchestrator, as all that follows but the events. */
  readonly node: Node | undefined;
  readonly transfers: readonly Transfer[];
  readonly pieces: ReadonlyMap<string, readonly PieceMap[]>;
  readonly peers: readonly Peer[];
  readonly rates: ReadonlyMap<string, PeerRate>;
  readonly origins: readonly Origin[];
  readonly events: readonly LoggedEvent[];
}

export const emptyState: PageState = {
  connection: { kind: 'connecting' },
  table: undefined,
  readAtMs: 0,
  node: undefined,
  transfers: [],
  pieces: new Map(),
  peers: [],
  rates: new Map(),
  origins: [],
  events: [],
};

/** Holds the state, and tells listeners once per frame however often it changes. */
export class PageStore {
  #state = emptyState;
  #isTold = true;
  readonly #listeners = new Set<() => void>();

  get state(): PageState {
    return this.#state;
  }

  set(change: Partial<PageState>): void {
    this.#state = { ...this.#state, ...change };
    if (!this.#isTold) return;
    this.#isTold = false;
    requestAnimationFrame(() => {
      this.#isTold = true;
      for (const listener of this.#listeners) listener();
    });
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
