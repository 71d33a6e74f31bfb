import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { endProcess, type OwnedProcess, spawnOwned } from './child-process.ts';
import { eventually } from './wait.ts';

/** What a hostile peer does when it is asked for a piece. */
export type PieceTrick =
  | { readonly kind: 'honest' }
  | { readonly kind: 'flip'; readonly every: number } // one byte is wrong in every n-th piece of the blob
  | { readonly kind: 'short' } // ends its answers in the middle of a piece
  | { readonly kind: 'long' } // more bytes than the piece has
  | { readonly kind: 'endless' } // data and data, long after the piece
  | { readonly kind: 'silent' } // takes requests and says nothing
  | { readonly kind: 'half' } // half a piece, then nothing more
  | { readonly kind: 'wrong-id' } // answers what nobody asked
  | { readonly kind: 'garbage' } // no record of the protocol at all
  | { readonly kind: 'denies' } // claims every piece and gives none
  | { readonly kind: 'busy' }; // always asks to be left alone for now

/** What it announces as the manifest of the file's sha256. */
export type ManifestTrick =
  | 'right'
  | 'other-bytes' // of other bytes, which it then serves
  | 'other-file' // names another sha256 inside
  | 'not-given' // a CID whose manifest it never gives
  | 'wrong-size'; // of a file ten million times as large

export interface HostilePeerOptions {
  readonly name: string;
  readonly fleetKeyFile: string;
  readonly bootstrap: readonly string[];
  /** The model that it announces: its id, and a file with the true bytes. */
  readonly model: { readonly id: string; readonly file: string };
  readonly pieces: PieceTrick;
  readonly manifest?: ManifestTrick;
}

export type HostilePeerFact =
  | { readonly kind: 'ready'; readonly peerId: string; readonly listen: readonly string[]; readonly manifest: string }
  | { readonly kind: 'asked'; readonly index: number; readonly bad: boolean };

/** A member of the fleet with an identity of its own, in a process of its own, that cheats. */
export class HostilePeer implements AsyncDisposable {
  peerId = '';
  listen: readonly string[] = [];
  /** CID that it announces. */
  manifest = '';
  /** Pieces it was asked for, in order. */
  readonly asked: Extract<HostilePeerFact, { kind: 'asked' }>[] = [];
  readonly #owned: OwnedProcess;

  private constructor(options: HostilePeerOptions) {
    const script = join(import.meta.dirname, 'hostile-peer-process.ts');
    this.#owned = spawnOwned([process.execPath, script, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#owned.child.stdout as Readable }).on('line', (line) =>
      this.#take(JSON.parse(line) as HostilePeerFact),
    );
  }

  static async start(options: HostilePeerOptions): Promise<HostilePeer> {
    const peer = new HostilePeer(options);
    try {
      await eventually(`${options.name} runs`, () => peer.peerId !== '', { timeoutMs: 60_000 });
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
    return peer;
  }

  get isRunning(): boolean {
    return this.#owned.isRunning();
  }

  #take(fact: HostilePeerFact): void {
    switch (fact.kind) {
      case 'ready':
        this.listen = fact.listen;
        this.manifest = fact.manifest;
        this.peerId = fact.peerId;
        break;
      case 'asked':
        this.asked.push(fact);
        break;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#owned, 2_000).catch(() => undefined);
  }
}
