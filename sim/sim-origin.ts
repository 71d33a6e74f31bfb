import {
  type BlobTarget,
  everything,
  type Fetched,
  type Piece,
  type PieceSource,
  type SourceOpener,
} from '../src/transfer/piece-source.ts';
import { ShoalError } from '../src/util/errors.ts';
import { Host } from './network.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

/** The NAS: whoever asks gets a piece, each on a connection of its own, as over HTTP. */
export class SimOrigin {
  readonly host: Host;
  readonly #world: World;
  /** Pieces that somebody has had from it. */
  readonly #read = new Set<number>();

  constructor(options: { bytesPerSecond: number }, world: World) {
    this.#world = world;
    const rate = options.bytesPerSecond / 1000;
    this.host = new Host({ name: 'origin', upBytesPerMs: rate, downBytesPerMs: rate, slots: Infinity });
  }

  get gone(): boolean {
    return this.#world.scenario.originGoneWhenRead === true && this.#read.size === this.#world.pieceCount;
  }

  openerFor(node: SimNode): SourceOpener {
    const { time, network } = this.#world;
    return {
      id: { kind: 'origin', id: 'file:///nas' },
      open: async (_blob: BlobTarget, signal: AbortSignal): Promise<PieceSource> => {
        await time.sleep(2 * network.latencyMs, signal);
        if (this.gone) throw new ShoalError('source-gone', 'the mount is gone');
        return {
          id: { kind: 'origin', id: 'file:///nas' },
          availability: everything,
          fetch: (piece, onBytes, until) => this.#fetch(node, piece, onBytes, until),
          close: () => Promise.resolve(),
        };
      },
    };
  }

  #fetch(node: SimNode, piece: Piece, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<Fetched> {
    const { time, network } = this.#world;
    const startMs = time.monotonic();
    return new Promise((resolve, reject) => {
      let takeBack = (): void => undefined;
      const onAbort = (): void => {
        asking.fire = undefined;
        time.after(network.latencyMs, () => takeBack());
        reject(new DOMException('aborted', 'AbortError'));
        time.stir();
      };
      const fail = (): void => {
        signal.removeEventListener('abort', onAbort);
        reject(new ShoalError('source-gone', 'the mount is gone'));
        time.stir();
      };
      const asking = time.after(network.latencyMs, () => {
        if (this.gone) {
          fail();
          return;
        }
        const connection = network.connect(this.host, node.host);
        takeBack = connection.send(piece.length, {
          bytes: (bytes) => {
            node.originBytes += bytes;
            onBytes(bytes);
          },
          done: () => {
            signal.removeEventListener('abort', onAbort);
            node.verified.add(piece.index);
            this.#read.add(piece.index);
            resolve({ bytes: piece.length, ms: time.monotonic() - startMs });
          },
        });
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
