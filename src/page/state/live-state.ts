import type { Fleet, FleetNodes, PieceMap } from '../../api/fleet-schemas.ts';
import type { Node, Origin, Peer, Transfer } from '../../api/schemas.ts';
import type { ApiClient } from '../api/client.ts';
import type { ServerEvent } from '../api/event-parser.ts';
import { EventLog } from './event-log.ts';
import { FleetTable } from './fleet-table.ts';
import type { PageStore } from './page-state.ts';
import { PeerRates } from './peer-rates.ts';
import { isActive } from './transfers.ts';

const POLL_MS = 3_000;
const PIECES_MS = 1_000;
/** Changes that come together are read together. */
const AFTER_EVENT_MS = 700;
/** Piece maps are for what is looked at: the first transfers of the list. */
const PIECES_OF = 6;

/** Keeps the state as it is at the server: by events, and by asking for what no event tells (ages, rates, pieces). */
export class LiveState {
  readonly #client: ApiClient;
  readonly #store: PageStore;
  readonly #log = new EventLog();
  readonly #rates = new PeerRates();
  #etag: string | null = null;
  #reading: Promise<void> | undefined;
  #planned: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: { readonly client: ApiClient; readonly store: PageStore }) {
    this.#client = parts.client;
    this.#store = parts.store;
  }

  /** Everything anew. */
  async load(): Promise<void> {
    this.#etag = null;
    await this.#readFleet();
    await this.#readDaemon(true);
  }

  take({ event, data }: ServerEvent): void {
    const value: unknown = JSON.parse(data);
    if (this.#log.add(event, value)) this.#store.set({ events: this.#log.entries });
    if (event === 'transfer') this.#takeTransfer(value as Transfer);
    else this.#plan();
  }

  /** What changes without an event, while somebody looks. */
  async poll(): Promise<never> {
    for (let turn = 0; ; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, PIECES_MS));
      if (document.visibilityState === 'hidden' || this.#store.state.connection.kind !== 'live') continue;
      if (turn % (POLL_MS / PIECES_MS) === 0) await this.#refresh();
      await this.#readPieces().catch(() => undefined);
    }
  }

  #plan(): void {
    this.#planned ??= setTimeout(() => {
      this.#planned = undefined;
      void this.#refresh();
    }, AFTER_EVENT_MS);
  }

  /** One at a time; what fails is read again soon, and the event stream notices when the server is gone. */
  async #refresh(): Promise<void> {
    this.#reading ??= this.#readNews()
      .catch(() => undefined)
      .finally(() => {
        this.#reading = undefined;
      });
    await this.#reading;
  }

  async #readNews(): Promise<void> {
    const { table } = this.#store.state;
    const { revision, nodes } = await this.#client.get<FleetNodes>('v1/fleet/nodes');
    if (table?.revision === revision) this.#setTable(table.withNodes(nodes));
    else await this.#readFleet();
    await this.#readDaemon(false);
  }

  async #readFleet(): Promise<void> {
    const { body, etag } = await this.#client.getChanged<Fleet>('v1/fleet', this.#etag);
    this.#etag = etag;
    if (body !== undefined) this.#setTable(FleetTable.from(body));
  }

  /** What this node fetches has come further since: the list of transfers knows, and the matrix says the same. */
  #setTable(table: FleetTable): void {
    const { transfers } = this.#store.state;
    this.#store.set({ table: table.withProgress(transfers.filter(isActive)), readAtMs: performance.now() });
  }

  async #readDaemon(isFirst: boolean): Promise<void> {
    if (this.#store.state.table?.kind !== 'daemon') return;
    const get = <T>(path: string): Promise<T> => this.#client.get<T>(path);
    const [node, { peers }, { origins }] = await Promise.all([
      get<Node>('v1/node'),
      get<{ peers: Peer[] }>('v1/peers'),
      get<{ origins: Origin[] }>('v1/origins'),
    ]);
    this.#store.set({ node, peers, origins, rates: this.#rates.read(peers, performance.now()) });
    if (!isFirst) return;
    const { transfers } = await get<{ transfers: Transfer[] }>('v1/transfers');
    const { table } = this.#store.state;
    this.#store.set({ transfers, table: table.withProgress(transfers.filter(isActive)) });
  }

  /** The list, the matrix and the details show one number, whichever has come last. */
  #takeTransfer(transfer: Transfer): void {
    const { transfers, table } = this.#store.state;
    const at = transfers.findIndex(({ model }) => model === transfer.model);
    this.#store.set({
      transfers: at < 0 ? [transfer, ...transfers] : transfers.with(at, transfer),
      table: isActive(transfer) ? table?.withProgress([transfer]) : table,
    });
    if (!isActive(transfer)) this.#plan();
  }

  async #readPieces(): Promise<void> {
    const { transfers, pieces } = this.#store.state;
    const active = transfers.filter(isActive).slice(0, PIECES_OF);
    if (active.length === 0 && pieces.size === 0) return;
    const maps = await Promise.all(
      active.map(async ({ model }) => {
        const { files } = await this.#client.get<{ files: PieceMap[] }>(`v1/pieces?model=${encodeURIComponent(model)}`);
        return [model, files] as const;
      }),
    );
    this.#store.set({ pieces: new Map(maps) });
  }
}
