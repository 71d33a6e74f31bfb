/** What the daemon tells about itself: the values behind the HTTP API, the events and the command line. */

export type ModelState = 'installed' | 'fetching' | 'queued' | 'missing' | 'corrupt';

export interface ModelFileView {
  readonly path: string;
  readonly sizeBytes: number;
  /** Absent only for a file of an origin that nobody has hashed yet. */
  readonly sha256?: string;
  readonly manifest?: string;
}

export interface ModelView {
  readonly id: string;
  readonly aliases: readonly string[];
  /** `sha256:<hex>`; absent only while nobody has hashed it. */
  readonly digest?: string;
  readonly sizeBytes: number;
  readonly files: readonly ModelFileView[];
  readonly state: ModelState;
  readonly pinned: boolean;
  readonly wanted: boolean;
  /** Names of the nodes that have it installed. */
  readonly nodes: readonly string[];
  readonly origins: readonly string[];
  readonly metadata?: Readonly<Record<string, string | number>>;
  /** Why it is not here yet or any more, with the remedy. */
  readonly problem?: ProblemView;
}

export interface ProblemView {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  readonly missingBytes?: number;
}

export interface SourceView {
  readonly kind: 'peer' | 'origin';
  readonly id: string;
  readonly name?: string;
  readonly bytes: number;
  readonly pieces: number;
  readonly bytesPerSecond: number;
  readonly state: 'active' | 'idle' | 'stalled' | 'blamed' | 'gone';
}

export type TransferState =
  | 'queued'
  | 'starting'
  | 'fetching'
  | 'stalled'
  | 'verifying'
  | 'installing'
  | 'failed'
  | 'done';

export interface TransferView {
  readonly model: string;
  readonly digest?: string;
  readonly state: TransferState;
  readonly bytesTotal: number;
  readonly bytesDone: number;
  readonly refetchedBytes: number;
  readonly bytesPerSecond: number;
  /** Absent while nothing moves. */
  readonly etaMs?: number;
  readonly startedAt: string;
  readonly seconds: number;
  readonly sources: readonly SourceView[];
  readonly problem?: ProblemView;
}

export interface PeerView {
  readonly peerId: string;
  readonly name: string;
  readonly connected: boolean;
  readonly addresses: readonly string[];
  readonly lane?: string;
  /** What its pieces travel over, or would: the lane when one is or was open. */
  readonly transport: 'stream' | 'lane' | 'none';
  /** Why the lane is not used, where it was tried. */
  readonly laneProblem?: string;
  readonly models: number;
  readonly freeBytes: number;
  /** Of the disk that holds its models; absent where it does not tell. */
  readonly totalBytes?: number;
  readonly seenMsAgo: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly rejectedPieces: number;
  /** Absent unless the peer sent something wrong and is avoided for now. */
  readonly blamed?: { readonly reason: string; readonly until: string; readonly strikes: number };
}

export interface OriginView {
  readonly url: string;
  readonly kind: 'file' | 'http';
  readonly published: boolean;
  readonly reachable: boolean;
  readonly models: number;
  readonly listedAt?: string;
  readonly problem?: ProblemView;
}

export interface OrchestratorView {
  readonly url: string;
  readonly registered: boolean;
  readonly lastHeartbeatAt?: string;
  readonly problem?: ProblemView;
}

export interface NodeView {
  readonly name: string;
  readonly peerId: string;
  readonly version: string;
  readonly api: string;
  readonly listen: readonly string[];
  readonly lane?: string;
  readonly peers: number;
  readonly models: Readonly<Record<ModelState, number>> & { readonly wanted: number };
  readonly disk: {
    readonly modelsDir: string;
    readonly totalBytes: number;
    readonly freeBytes: number;
    readonly usedByModelsBytes: number;
    readonly reservedBytes: number;
    readonly cacheMaxBytes?: number;
  };
  readonly uptimeSeconds: number;
  readonly rssBytes: number;
  readonly orchestrators: readonly OrchestratorView[];
  readonly blake3: 'native' | 'wasm';
}

export interface VerifyView {
  readonly model: string;
  readonly ok: boolean;
  readonly files: readonly { readonly path: string; readonly ok: boolean }[];
}

export type CheckStatus = 'ok' | 'warning' | 'failed';

export interface CheckView {
  readonly check: string;
  readonly status: CheckStatus;
  readonly detail: string;
  readonly remedy?: string;
}

/** Events of `GET /v1/events`: the name and its data. */
export type NodeEvent =
  | {
      readonly event: 'model';
      readonly data: { readonly id: string; readonly state: ModelState; readonly digest?: string };
    }
  | { readonly event: 'transfer'; readonly data: TransferView }
  | {
      readonly event: 'peer';
      readonly data: { readonly peerId: string; readonly name: string; readonly change: 'joined' | 'left' | 'blamed' };
    }
  | { readonly event: 'origin'; readonly data: OriginView }
  /** Something about the fleet has changed: `GET /v1/fleet` tells what. */
  | { readonly event: 'fleet'; readonly data: { readonly revision: string } };
