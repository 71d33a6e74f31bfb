import type { Manifest } from '../content/manifest.ts';
import type { FileStamp } from '../store/file-stamp.ts';
import type { ErrorCode } from '../util/errors.ts';
import type { HostPort } from '../util/host-port.ts';
import type { Piece } from './piece-source.ts';
import type { GateKey } from './write-gate.ts';

/**
 * What the main thread and the data plane's workers say to each other. A task is started by a `TaskOrder`, steered by
 * controls and ended by exactly one `ended` fact; everything that carries bytes hands its buffer over (transfer), and a
 * chunk's buffer comes back to be filled again, so a slow disk slows the sender instead of filling the memory.
 */

export interface PartialPlace {
  readonly dir: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Where a piece's bytes go until they are verified; `scratch` while another task writes the same piece in place. */
export type Landing = 'in-place' | 'scratch';

export interface PieceOrder {
  readonly blob: number;
  readonly piece: Omit<Piece, 'hash'> & { readonly hash: string }; // in hex
  readonly landing: Landing;
  readonly gate: GateKey;
}

export interface HttpRequest {
  readonly url: string; // without credentials
  readonly headers: Readonly<Record<string, string>>;
}

/** A file to serve from. `stamp` is absent for a partial, which changes all the time. */
export interface ServedFile {
  readonly path: string;
  readonly stamp: FileStamp | undefined;
}

/** How an origin's file identified itself at the first piece; a change means another file. */
export interface HttpValidator {
  readonly etag?: string;
  readonly lastModified?: string;
}

export interface FoundFile {
  readonly path: string; // relative to the root, with '/'
  readonly stamp: FileStamp;
}

export interface CopyOrder {
  readonly from: string;
  readonly sizeBytes: number;
  /** The copy and its journal, both local; kept and continued when they fit the source's stamp. */
  readonly to: string;
  readonly journal: string;
  readonly gate: GateKey;
}

export interface CopyResult {
  readonly sha256: string;
  readonly pieceHashes: Uint8Array;
  readonly sizeBytes: number;
  readonly pieceSizeBytes: number;
  /** Already there from an earlier attempt, hashed again here and not read from the origin. */
  readonly resumedBytes: number;
}

/** What a worker shows of this node on the lane: a certificate that carries the peer id, as PEM. */
export interface LaneCredentials {
  readonly cert: string;
  readonly key: string;
  /** Lanes to and from nodes that allow it as well are not encrypted. */
  readonly plain?: boolean;
}

/** A node whose lane may be reached at one of these, tried in order. */
export interface LanePeer {
  readonly peerId: string;
  readonly addresses: readonly HostPort[];
}

/** The right to send one piece, until it is told as ended. */
export interface UploadTurn {
  readonly turn: number;
  readonly file: ServedFile;
  readonly offset: number;
  readonly length: number;
  /** Bytes are to be asked for before they are sent. */
  readonly limited: boolean;
}

/** What only the main thread knows, asked by a worker. */
export interface Questions {
  /** Whose certificate it is. Fails with `unauthorized` unless it is a member of the fleet, or the one expected. */
  readonly 'lane-peer': {
    question: { readonly certificate: Uint8Array; readonly expected: string | undefined };
    answer: { readonly peerId: string };
  };
  /** A ticket of the peer for a lane that is not encrypted. Fails when it gives none. */
  readonly 'lane-ticket': { question: { readonly peerId: string }; answer: { readonly ticket: Uint8Array } };
  /** Whom a ticket of ours was given to. Fails with `unauthorized`. */
  readonly 'ticket-owner': { question: { readonly ticket: Uint8Array }; answer: { readonly peerId: string } };
  /** Where a piece is, and the permission to send it. Fails with `not-found`, `source-busy`, `unauthorized`. */
  readonly 'upload-turn': {
    question: { readonly peerId: string; readonly sha256: string; readonly index: number };
    answer: UploadTurn;
  };
  /** The upload limit lets so many bytes pass. */
  readonly 'upload-bytes': { question: { readonly bytes: number }; answer: undefined };
}

export type QuestionKind = keyof Questions;
export type Question = { [K in QuestionKind]: { readonly kind: K } & Questions[K]['question'] }[QuestionKind];
export type AnswerTo<K extends QuestionKind> = Questions[K]['answer'];

/** Order and result of every kind of task. */
export interface Tasks {
  /** A piece whose bytes the main thread brings, chunk by chunk. */
  readonly receive: { order: PieceOrder; result: PieceResult };
  readonly 'fetch-http': {
    order: PieceOrder & {
      readonly request: HttpRequest;
      readonly sizeBytes: number;
      readonly validator: HttpValidator;
    };
    result: PieceResult & { readonly validator: HttpValidator };
  };
  readonly 'fetch-file': {
    order: PieceOrder & { readonly path: string; readonly sizeBytes: number };
    result: PieceResult;
  };
  /** A piece of a file that nobody has hashed: there is nothing to check it against, and its hash is the result. */
  readonly 'read-file': {
    order: PieceOrder & { readonly path: string; readonly sizeBytes: number; readonly modifiedNs: bigint };
    result: PieceResult & { readonly index: number; readonly hash: Uint8Array };
  };
  /** The same without writing it anywhere. */
  readonly 'hash-file': {
    order: {
      readonly path: string;
      readonly sizeBytes: number;
      readonly modifiedNs: bigint;
      readonly piece: { readonly offset: number; readonly length: number };
    };
    result: { readonly hash: Uint8Array };
  };
  readonly 'fetch-lane': {
    order: PieceOrder & { readonly peer: LanePeer; readonly sha256: string };
    result: PieceResult;
  };
  /** A lane to the peer is open when it ends. */
  readonly 'open-lane': { order: { readonly peer: LanePeer }; result: undefined };
  /** Accepts lanes until it is cancelled; `listening` tells where. */
  readonly 'serve-lane': { order: { readonly address: HostPort; readonly shared: boolean }; result: undefined };
  readonly read: {
    order: { readonly file: ServedFile; readonly offset: number; readonly length: number; readonly slices: number };
    result: undefined;
  };
  readonly recheck: {
    order: { readonly partial: PartialPlace; readonly manifest: Manifest };
    result: { readonly bitfield: Uint8Array };
  };
  /** Hashes as far as `verified` says, and ends at the end of the file. */
  readonly 'hash-prefix': {
    order: { readonly path: string; readonly sizeBytes: number };
    result: { readonly sha256: string };
  };
  readonly 'http-document': {
    order: { readonly request: HttpRequest; readonly maxBytes: number };
    result: { readonly bytes: Uint8Array };
  };
  readonly 'file-document': {
    order: { readonly path: string; readonly maxBytes: number };
    result: { readonly bytes: Uint8Array };
  };
  readonly 'list-files': {
    order: { readonly root: string; readonly maxFiles: number };
    result: { readonly files: FoundFile[] };
  };
  readonly 'copy-file': { order: CopyOrder; result: CopyResult };
}

export interface PieceResult {
  /** False for a verified piece that another task had written before. */
  readonly written: boolean;
}

export type TaskKind = keyof Tasks;
export type TaskOrder = { [K in TaskKind]: { readonly kind: K } & Tasks[K]['order'] }[TaskKind];
export type ResultOf<K extends TaskKind> = Tasks[K]['result'];

export type Control =
  /** A chunk of a `receive`; its buffer comes back with `consumed`. */
  | { readonly kind: 'chunk'; readonly buffer: ArrayBuffer; readonly length: number; readonly last: boolean }
  /** A `read` may post that many slices more. */
  | { readonly kind: 'more'; readonly slices: number }
  /** So many bytes from the start of the file are verified. */
  | { readonly kind: 'verified'; readonly bytes: number }
  /** What is verified in scratch goes into place. */
  | { readonly kind: 'commit'; readonly gate: GateKey }
  | { readonly kind: 'cancel' };

export type Order =
  | { readonly kind: 'start'; readonly task: number; readonly order: TaskOrder }
  | { readonly kind: 'control'; readonly task: number; readonly control: Control }
  | { readonly kind: 'answer'; readonly ask: number; readonly answer: unknown }
  | { readonly kind: 'no-answer'; readonly ask: number; readonly failure: Failure }
  | { readonly kind: 'open-blob'; readonly blob: number; readonly partial: PartialPlace }
  | { readonly kind: 'close-blob'; readonly blob: number };

/** An error on its way between threads. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy?: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly stack?: string;
}

export type TaskFact =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'consumed'; readonly buffer: ArrayBuffer }
  | { readonly kind: 'slice'; readonly buffer: ArrayBuffer; readonly length: number }
  /** Verified, but in scratch: the main thread decides whether it is still needed. */
  | { readonly kind: 'held' }
  | { readonly kind: 'listening'; readonly address: HostPort }
  /** Lanes that a peer has open to this worker now. */
  | { readonly kind: 'lanes'; readonly peerId: string; readonly count: number }
  | { readonly kind: 'refused'; readonly address: string; readonly reason: string }
  | { readonly kind: 'upload-ended'; readonly turn: number; readonly bytes: number; readonly changed: boolean };

export type Fact =
  | { readonly kind: 'fact'; readonly task: number; readonly fact: TaskFact }
  | { readonly kind: 'ask'; readonly ask: number; readonly question: Question }
  | { readonly kind: 'done'; readonly task: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly task: number; readonly failure: Failure };
