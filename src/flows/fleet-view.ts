/** What one node of the fleet knows of all: which model is where. Small enough to be read again after each change. */

/** Why a model is not simply installed or absent; `differs`: installed under that id with other bytes than elsewhere. */
export type FleetCellState = 'fetching' | 'queued' | 'missing' | 'corrupt' | 'differs';

export interface FleetCellView {
  /** Index into the models of the same revision. */
  readonly model: number;
  readonly state: FleetCellState;
  readonly bytesTotal?: number;
  readonly bytesMissing?: number;
  readonly etaMs?: number;
  readonly bytesPerSecond?: number;
}

export interface FleetNodeView {
  readonly id: string;
  readonly status: 'online' | 'offline' | 'draining' | 'registering' | 'failed';
  readonly address?: string;
  /** Since its last sign of life; absent for the node that answers. */
  readonly seenMsAgo?: number;
  readonly totalBytes?: number;
  readonly freeBytes?: number;
  readonly slotsFree?: number;
  readonly slotsTotal?: number;
  /** All but installed and absent. */
  readonly cells: readonly FleetCellView[];
}

export interface FleetModelView {
  readonly id: string;
  /** Without the id's own name less folders and extension. */
  readonly aliases?: readonly string[];
  readonly digest?: string;
  readonly sizeBytes?: number;
  /** Origins that offer it. */
  readonly origins?: number;
}

export interface FleetView {
  readonly kind: 'daemon' | 'orchestrator';
  /** Changes with nodes, models and what is installed where; not with progress and ages. */
  readonly revision: string;
  /** Index of the node that answers. */
  readonly self?: number;
  readonly models: readonly FleetModelView[];
  readonly nodes: readonly FleetNodeView[];
  /** Per node: one bit per model, most significant first, base64. */
  readonly installed: readonly string[];
}

/** What changes without a new revision. */
export interface FleetNodesView {
  readonly revision: string;
  readonly nodes: readonly FleetNodeView[];
}

/** Which pieces of a file are here. */
export interface PieceMapView {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly pieceSizeBytes: number;
  readonly pieceCount: number;
  readonly piecesHere: number;
  /** One bit per piece, most significant first, base64. */
  readonly here: string;
  /** Pieces that some source gives now. */
  readonly offered: string;
}

/** What the page and `GET /v1/fleet` ask for; a daemon and an orchestrator answer alike. */
export interface FleetViewer {
  /** Cheap: no document is put together for it. */
  revision(): string;
  fleet(): Promise<FleetView>;
  nodes(): Promise<FleetNodesView>;
}

export interface DaemonFleetViewer extends FleetViewer {
  /** Of the model's files that are on their way. @throws ShoalError `not-found` */
  pieceMaps(idOrAlias: string): PieceMapView[];
}
