import type { Fleet, FleetNodeDocument } from '../../api/fleet-schemas.ts';
import type { Transfer } from '../../api/schemas.ts';

export type CellState = 'installed' | 'absent' | 'fetching' | 'queued' | 'missing' | 'corrupt' | 'differs';
export type FleetCell = FleetNodeDocument['cells'][number];
export type FleetModel = Fleet['models'][number];

/** Which model is where, in the form in which the matrix asks: bits, and what is neither installed nor absent. */
export class FleetTable {
  readonly kind: Fleet['kind'];
  readonly revision: string;
  readonly self: number | undefined;
  readonly models: readonly FleetModel[];
  readonly nodes: readonly FleetNodeDocument[];
  /** For the search: ids and aliases in lower case. */
  readonly modelTexts: readonly string[];
  readonly nodeTexts: readonly string[];
  /** Per model: on how many nodes it is installed. */
  readonly copies: Uint16Array;
  readonly #bits: readonly Uint8Array[];
  readonly #cells: readonly ReadonlyMap<number, FleetCell>[];
  #indices: ReadonlyMap<string, number> | undefined;

  private constructor(fields: {
    fleet: Pick<Fleet, 'kind' | 'revision' | 'models' | 'nodes'> & { readonly self?: number | undefined };
    bits: readonly Uint8Array[];
    cells?: readonly ReadonlyMap<number, FleetCell>[];
    before?: FleetTable;
  }) {
    const { fleet, bits, before } = fields;
    this.kind = fleet.kind;
    this.revision = fleet.revision;
    this.self = fleet.self;
    this.models = fleet.models;
    this.nodes = fleet.nodes;
    this.#bits = bits;
    this.#cells = fields.cells ?? fleet.nodes.map(({ cells }) => new Map(cells.map((cell) => [cell.model, cell])));
    this.modelTexts =
      before?.modelTexts ?? fleet.models.map(({ id, aliases = [] }) => [id, ...aliases].join('\n').toLowerCase());
    this.nodeTexts = before?.nodeTexts ?? fleet.nodes.map(({ id }) => id.toLowerCase());
    this.#indices = before === undefined ? undefined : before.#indices;
    // A node that is away has nothing to give, also where it is not known to have lost it.
    const isHere = fleet.nodes.map(isOnline);
    const isAsBefore = before?.nodes.every((node, index) => isOnline(node) === isHere[index]) === true;
    this.copies = isAsBefore
      ? before.copies
      : countCopies(
          bits.filter((_, index) => isHere[index]),
          fleet.models.length,
        );
  }

  static from(fleet: Fleet): FleetTable {
    return new FleetTable({ fleet, bits: fleet.installed.map(decodeBits) });
  }

  /** The same revision with newer nodes. */
  withNodes(nodes: readonly FleetNodeDocument[]): FleetTable {
    const { kind, revision, self, models } = this;
    return new FleetTable({ fleet: { kind, revision, self, models, nodes }, bits: this.#bits, before: this });
  }

  /** The same with the progress of what the node that answers fetches; itself when that tells nothing new. */
  withProgress(transfers: readonly Transfer[]): FleetTable {
    const { kind, revision, self, models, nodes } = this;
    const own = self === undefined ? undefined : this.#cells[self];
    if (self === undefined || own === undefined || transfers.length === 0) return this;
    this.#indices ??= new Map(models.map(({ id }, index) => [id, index]));
    const cells = new Map(own);
    for (const { model: id, state, bytesTotal, bytesDone, etaMs } of transfers) {
      const model = this.#indices.get(id);
      if (model === undefined || this.isInstalled(self, model)) continue;
      const eta = etaMs === undefined ? {} : { etaMs };
      const progress = { bytesTotal, bytesMissing: bytesTotal - bytesDone, ...eta };
      cells.set(model, state === 'queued' ? { model, state } : { model, state: 'fetching', ...progress });
    }
    const fleet = { kind, revision, self, models, nodes };
    return new FleetTable({ fleet, bits: this.#bits, cells: this.#cells.with(self, cells), before: this });
  }

  isInstalled(node: number, model: number): boolean {
    return ((this.#bits[node]?.[model >> 3] ?? 0) & (0x80 >> (model & 7))) !== 0;
  }

  stateOf(node: number, model: number): CellState {
    const cell = this.#cells[node]?.get(model);
    if (cell !== undefined) return cell.state;
    return this.isInstalled(node, model) ? 'installed' : 'absent';
  }

  cell(node: number, model: number): FleetCell | undefined {
    return this.#cells[node]?.get(model);
  }

  cellsOf(node: number): IterableIterator<FleetCell> {
    return (this.#cells[node] ?? new Map<number, FleetCell>()).values();
  }

  /** Bytes of what a node has installed. */
  installedBytes(node: number): number {
    let sum = 0;
    for (const [index, { sizeBytes = 0 }] of this.models.entries()) if (this.isInstalled(node, index)) sum += sizeBytes;
    return sum;
  }
}

export function isOnline({ status }: FleetNodeDocument): boolean {
  return status === 'online' || status === 'draining';
}

export interface FleetTotals {
  readonly nodesOnline: number;
  readonly nodes: number;
  readonly models: number;
  readonly copies: number;
  readonly incoming: number;
  readonly single: number;
  readonly damaged: number;
}

export function totalsOf(table: FleetTable): FleetTotals {
  let copies = 0;
  let single = 0;
  for (const count of table.copies) {
    copies += count;
    if (count === 1) single += 1;
  }
  let incoming = 0;
  let damaged = 0;
  for (const node of table.nodes.keys()) {
    for (const { state } of table.cellsOf(node)) {
      if (state === 'fetching' || state === 'queued') incoming += 1;
      if (state === 'corrupt' || state === 'differs') damaged += 1;
    }
  }
  return {
    nodesOnline: table.nodes.filter(isOnline).length,
    nodes: table.nodes.length,
    models: table.models.length,
    ...{ copies, incoming, single: table.nodes.length > 1 ? single : 0, damaged },
  };
}

/** How much of it is there, from 0 to 1; undefined when that is not known. */
export function shareOf(cell: FleetCell | undefined): number | undefined {
  if (cell?.bytesTotal === undefined || cell.bytesMissing === undefined) return undefined;
  return cell.bytesTotal === 0 ? 1 : Math.min(1, Math.max(0, 1 - cell.bytesMissing / cell.bytesTotal));
}

export function decodeBits(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

export function hasBit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
}

function countCopies(bits: readonly Uint8Array[], models: number): Uint16Array {
  const copies = new Uint16Array(models);
  for (const column of bits) {
    for (let byte = 0; byte < column.length; byte += 1) {
      for (let rest = column[byte] ?? 0, bit = 0; rest !== 0; rest = (rest << 1) & 0xff, bit += 1) {
        const model = byte * 8 + bit;
        if ((rest & 0x80) !== 0 && model < models) copies[model] = (copies[model] ?? 0) + 1;
      }
    }
  }
  return copies;
}
