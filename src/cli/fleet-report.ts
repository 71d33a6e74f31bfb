import type { FleetCellDocument, FleetDocument, FleetNodeDocument } from '../orchestrator/fleet-documents.ts';

export type ReportedModel = FleetDocument['models'][number];

/** Which model is where, from a daemon or from an orchestrator, in the order of the document. */
export class FleetReport {
  readonly nodes: readonly FleetNodeDocument[];
  readonly models: readonly ReportedModel[];
  readonly #installed: readonly Uint8Array[];
  readonly #cells: readonly ReadonlyMap<number, FleetCellDocument>[];

  constructor({ nodes, models, installed }: FleetDocument) {
    this.nodes = nodes;
    this.models = models;
    this.#installed = installed.map((bits) => Buffer.from(bits, 'base64'));
    this.#cells = nodes.map(({ cells }) => new Map(cells.map((cell) => [cell.model, cell])));
  }

  get online(): readonly FleetNodeDocument[] {
    return this.nodes.filter(isOnline);
  }

  hasIt(node: number, model: number): boolean {
    return ((this.#installed[node]?.[model >> 3] ?? 0) & (0x80 >> (model & 7))) !== 0;
  }

  /** What is to be said beyond installed and absent. */
  cell(node: number, model: number): FleetCellDocument | undefined {
    return this.#cells[node]?.get(model);
  }

  /** Nodes that are online and have it, whatever bytes they call so. */
  holders(model: number): FleetNodeDocument[] {
    return this.nodes.filter((node, index) => isOnline(node) && this.hasIt(index, model));
  }

  /** Nodes where it is in one of the states. */
  inState(
    model: number,
    ...states: FleetCellDocument['state'][]
  ): { node: FleetNodeDocument; cell: FleetCellDocument }[] {
    return this.nodes.flatMap((node, index) => {
      const cell = this.cell(index, model);
      return cell !== undefined && states.includes(cell.state) ? [{ node, cell }] : [];
    });
  }

  /** Models that one node alone has: when it goes, so do they. */
  single(): number[] {
    if (this.nodes.length < 2) return [];
    return [...this.models.keys()].filter((model) => this.holders(model).length === 1);
  }

  /** Models on every node that is online, and on more than one. */
  replicated(): number[] {
    const { length } = this.online;
    return length < 2 ? [] : [...this.models.keys()].filter((model) => this.holders(model).length === length);
  }
}

export function isOnline({ status }: FleetNodeDocument): boolean {
  return status === 'online' || status === 'draining';
}

/** What a program reads of it: no bits, no indices. */
export function reportDocument(report: FleetReport): object {
  return {
    nodes: report.nodes.map((node) => ({ ...node, online: isOnline(node), cells: undefined })),
    models: report.models.map((model, index) => ({
      ...model,
      nodes: report.holders(index).map(({ id }) => id),
      incoming: report.inState(index, 'fetching').map(({ node, cell: { bytesTotal, bytesMissing, etaMs } }) => ({
        node: node.id,
        ...(bytesTotal === undefined ? {} : { bytesTotal }),
        ...(bytesMissing === undefined ? {} : { bytesMissing }),
        ...(etaMs === undefined ? {} : { etaMs }),
      })),
      queued: namesIn(report, index, 'queued'),
      missing: namesIn(report, index, 'missing'),
      corrupt: namesIn(report, index, 'corrupt'),
      differs: namesIn(report, index, 'differs'),
    })),
    replicatedModels: report.replicated().map((model) => report.models[model]?.id),
    singleNodeModels: report.single().map((model) => report.models[model]?.id),
  };
}

function namesIn(report: FleetReport, model: number, state: FleetCellDocument['state']): string[] {
  return report.inState(model, state).map(({ node }) => node.id);
}
