import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Arrival {
  readonly piece: number;
  readonly atMs: number;
}

/**
 * Watches pieces arrive on one node's disk, in the log that its partial file keeps. Reading four bytes per piece
 * from the file system costs the daemon nothing, as asking it over and over would.
 */
export class PieceWatch {
  readonly arrivals: Arrival[] = [];
  readonly #seen = new Set<number>();
  readonly #directory: string;
  readonly #finalPath: string;
  readonly #sizeBytes: number;
  #log: number | undefined;
  #at = 0;
  /** Of a copy that nobody has hashed yet: what has been written to it last. */
  #copied: { bytes: number; atMs: number } | undefined;
  #longestWaitMs = 0;
  #lastMs: number;

  constructor(options: { modelsDir: string; fileName: string; sizeBytes: number }, startMs: number) {
    this.#directory = join(options.modelsDir, '.shoal/partial');
    this.#finalPath = join(options.modelsDir, options.fileName);
    this.#sizeBytes = options.sizeBytes;
    this.#lastMs = startMs;
  }

  /** The file stands under its final name. */
  get isLinked(): boolean {
    return existsSync(this.#finalPath);
  }

  get lastMs(): number {
    return this.#lastMs;
  }

  /** The longest time in which nothing arrived. */
  get longestWaitMs(): number {
    return this.#longestWaitMs;
  }

  look(nowMs: number): void {
    this.#log ??= this.#open('.have');
    if (this.#log === undefined) this.#lookAtCopy(nowMs);
    else this.#readLog(this.#log, nowMs);
  }

  close(): void {
    if (this.#log !== undefined) closeSync(this.#log);
    this.#log = undefined;
  }

  #readLog(log: number, nowMs: number): void {
    const entries = Buffer.alloc(4096);
    for (;;) {
      const read = readSync(log, entries, 0, entries.length, this.#at);
      if (read < 4) return;
      for (let at = 0; at + 4 <= read; at += 4) {
        this.#at += 4;
        const piece = entries.readUInt32LE(at);
        // Logged twice when two sources brought it.
        if (!this.#seen.has(piece)) this.arrivals.push({ piece, atMs: nowMs });
        this.#seen.add(piece);
      }
      this.#arrived(nowMs);
    }
  }

  #lookAtCopy(nowMs: number): void {
    const name = this.#named('.copy');
    if (name === undefined) return;
    const bytes = statSync(join(this.#directory, name), { throwIfNoEntry: false })?.size ?? 0;
    if (bytes <= (this.#copied?.bytes ?? 0)) return;
    this.#copied = { bytes: Math.min(bytes, this.#sizeBytes), atMs: nowMs };
    this.#arrived(nowMs);
  }

  #arrived(nowMs: number): void {
    this.#longestWaitMs = Math.max(this.#longestWaitMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  #open(ending: string): number | undefined {
    const name = this.#named(ending);
    try {
      return name === undefined ? undefined : openSync(join(this.#directory, name), 'r');
    } catch {
      return undefined; // gone between the two calls: the next look tells
    }
  }

  #named(ending: string): string | undefined {
    if (!existsSync(this.#directory)) return undefined;
    return readdirSync(this.#directory).find((name) => name.endsWith(ending));
  }
}
