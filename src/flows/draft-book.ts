import type { Draft } from '../content/draft.ts';
import type { RunFeed } from '../swarm/run-exchange.ts';
import type { GrowingManifest } from '../transfer/growing-manifest.ts';
import type { Clock } from '../util/clock.ts';

interface Entry {
  readonly growing: GrowingManifest;
  /** Known when all of it is here. */
  sha256: string | undefined;
  askedMs: number;
}

/** Others may still fetch it under the name that it had before: not longer than this after the last of them asked. */
const LINGER_MS = 60_000;
const LOOK_MS = 5_000;

/** The drafts that this node fetches, and those that it has just finished, for others that have not. */
export class DraftBook {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(parts: { readonly clock: Clock }) {
    this.#clock = parts.clock;
  }

  /** Its growing manifest is told to whoever asks, until the returned function is called, or after the end for a while. */
  open(growing: GrowingManifest): () => void {
    const entry: Entry = { growing, sha256: undefined, askedMs: this.#clock.monotonic() };
    this.#entries.set(growing.draft.id, entry);
    return () => {
      if (this.#entries.get(growing.draft.id) === entry) this.#entries.delete(growing.draft.id);
    };
  }

  /** It is whole, and has its name. */
  finished(draft: string, sha256: string): void {
    const entry = this.#entries.get(draft);
    if (entry === undefined) return;
    entry.sha256 = sha256;
    entry.askedMs = this.#clock.monotonic();
  }

  feed(draft: string): RunFeed | undefined {
    return this.#entries.get(draft)?.growing;
  }

  /** The blob that a finished draft has become; any other name is that of a blob. Somebody asks for it. */
  blobOf(name: string): string {
    const entry = this.#entries.get(name);
    if (entry?.sha256 === undefined) return name;
    entry.askedMs = this.#clock.monotonic();
    return entry.sha256;
  }

  /** Finished, and still given under the old name. */
  lingering(): Draft[] {
    return [...this.#entries.values()].flatMap(({ growing, sha256 }) => (sha256 === undefined ? [] : [growing.draft]));
  }

  /** Lets go of what nobody asks for any more; `onGone` is told of each. */
  async run(onGone: (draft: string) => void, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#clock.sleep(LOOK_MS, signal);
      const oldestMs = this.#clock.monotonic() - LINGER_MS;
      for (const [draft, { sha256, askedMs }] of this.#entries) {
        if (sha256 === undefined || askedMs > oldestMs) continue;
        this.#entries.delete(draft);
        onGone(draft);
      }
    }
  }
}
