import type { BlobTarget, PieceSource } from './piece-source.ts';

export interface OriginFile {
  /** Relative to the models directory. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Time of the modification, as decimal text; only of files that nobody has hashed. */
  readonly modifiedNs?: string;
  /** Absent while nobody has hashed it. */
  readonly sha256?: string;
  /** CID of the manifest; absent while nobody has hashed it. */
  readonly manifest?: string;
}

export interface OriginModel {
  readonly id: string;
  readonly aliases: readonly string[];
  /** `sha256:<hex>`; absent when the origin was never published. */
  readonly digest?: string;
  readonly files: readonly OriginFile[];
}

/** A place that holds models and is no peer: a mounted directory or a web server. */
export interface Origin {
  /** Without credentials; what logs, metrics and the API show. */
  readonly url: string;
  /** @throws ShoalError `unreachable`, `source-gone`, `source-stalled`, `invalid` for an index that is none */
  list(signal: AbortSignal): Promise<OriginModel[]>;
  /**
   * The bytes of a published manifest, verified against its CID.
   * @throws ShoalError `not-found`, `source-lied`, and as `list`
   */
  manifest(cid: string, signal: AbortSignal): Promise<Uint8Array>;
  /** One blob from the file at `path`, whose pieces are checked against the target's manifest. */
  open(blob: BlobTarget, path: string, signal: AbortSignal): Promise<PieceSource>;
  close(): Promise<void>;
}
