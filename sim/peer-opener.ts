import type { BlobTarget, Fetched, Piece, PieceSource, SourceId, SourceOpener } from '../src/transfer/piece-source.ts';
import { ShoalError } from '../src/util/errors.ts';
import type { Connection } from './network.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

/** A node as a source of another. */
export class PeerOpener implements SourceOpener {
  readonly id: SourceId;
  readonly #from: SimNode;
  readonly #to: SimNode;
  readonly #world: World;

  constructor(options: { from: SimNode; to: SimNode }, world: World) {
    this.#from = options.from;
    this.#to = options.to;
    this.id = { kind: 'peer', id: options.from.name };
    this.#world = world;
  }

  async open(_blob: BlobTarget, signal: AbortSignal): Promise<PieceSource> {
    const { time, network } = this.#world;
    await time.sleep(4 * network.latencyMs, signal);
    if (this.#from.dead) throw new ShoalError('source-gone', 'nobody listens');
    while (this.#from.host.frozen || this.#world.isCut(this.#from, this.#to)) await time.sleep(500, signal);
    const connection = network.connect(this.#from.host, this.#to.host);
    this.#world.lay(this.#from, this.#to, connection);
    const calls = new Set<(error: Error) => void>();
    const end = (): void => {
      unlisten();
      connection.break();
      for (const call of [...calls]) call(new ShoalError('source-gone', 'connection reset'));
    };
    const unlisten = this.#from.onReset(end);
    return {
      id: this.id,
      availability: this.#from.view,
      fetch: (piece, onBytes, until) => this.#fetch({ piece, connection, calls }, onBytes, until),
      close: () => {
        end();
        return Promise.resolve();
      },
    };
  }

  #fetch(
    { piece, connection, calls }: { piece: Piece; connection: Connection; calls: Set<(error: Error) => void> },
    onBytes: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Fetched> {
    const { time, network, random } = this.#world;
    const startMs = time.monotonic();
    const { corrupt = 0, stalls = 0, busy = 0 } = this.#from.traits;
    const isCorrupt = random() < corrupt;
    return new Promise((resolve, reject) => {
      let takeBack = (): void => undefined;
      const settle = (): void => {
        calls.delete(fail);
        signal.removeEventListener('abort', onAbort);
      };
      const fail = (error: Error): void => {
        settle();
        reject(error);
        time.stir();
      };
      const onAbort = (): void => {
        asking.fire = undefined;
        time.after(network.latencyMs, () => takeBack());
        fail(new DOMException('aborted', 'AbortError'));
      };
      const done = (): void => {
        settle();
        if (isCorrupt) reject(new ShoalError('piece-corrupt', 'BLAKE3 differs'));
        else {
          this.#to.verified.add(piece.index);
          resolve({ bytes: piece.length, ms: time.monotonic() - startMs });
        }
      };
      const asking = time.after(network.latencyMs, () => {
        if (connection.broken || random() < stalls) return;
        if (random() < busy) time.after(network.latencyMs, () => fail(new ShoalError('source-busy', 'not now')));
        else if (!this.#from.have.has(piece.index)) {
          time.after(network.latencyMs, () => fail(new ShoalError('source-lied', 'it does not have the piece')));
        } else takeBack = connection.send(piece.length, { bytes: onBytes, done });
      });
      calls.add(fail);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
