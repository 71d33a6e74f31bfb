import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { endProcess, type OwnedProcess, spawnOwned } from './child-process.ts';
import type { WatcherFinding, WatcherOrder } from './directory-listing.ts';
import { eventually } from './wait.ts';

export interface ExpectedFile {
  readonly sizeBytes: number;
  readonly sha256: string;
}

type Finding<K extends WatcherFinding['kind']> = Extract<WatcherFinding, { kind: K }>;

/**
 * Lists a models directory the whole time from a process of its own. A name that was ever visible and is not expected,
 * not whole or not right is a violation, also if it was so for a moment only.
 */
export class DirectoryWatcher implements AsyncDisposable {
  readonly sightings: Finding<'seen'>[] = [];
  /** Empty is what a test wants. Complete only after `stop()`, because hashing takes its time. */
  readonly violations: Finding<'violation'>[] = [];
  /** How often the directory was listed; known after `stop()`. */
  listings = 0;
  #stopped = false;
  #ordered = 0;
  #taken = 0;
  readonly #owned: OwnedProcess;

  private constructor(directory: string) {
    const script = join(import.meta.dirname, 'directory-listing.ts');
    this.#owned = spawnOwned([process.execPath, script, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#owned.child.stdout as Readable }).on('line', (line) =>
      this.#take(JSON.parse(line) as WatcherFinding),
    );
  }

  /** `expected` by path relative to the directory. */
  static async start(directory: string, expected: Readonly<Record<string, ExpectedFile>>): Promise<DirectoryWatcher> {
    const watcher = new DirectoryWatcher(directory);
    for (const [path, { sizeBytes, sha256 }] of Object.entries(expected)) {
      watcher.#order({ kind: 'expect', path, sizeBytes, sha256 });
    }
    watcher.#order({ kind: 'begin' });
    await watcher.#allTaken();
    return watcher;
  }

  /** For a name that the test itself is about to change. */
  async ignore(path: string): Promise<void> {
    this.#order({ kind: 'ignore', path });
    await this.#allTaken();
  }

  /** Wall clock of the first listing that showed it. */
  firstSeen(path: string): number | undefined {
    return this.sightings.find((sighting) => sighting.path === path)?.atMs;
  }

  /** Looks a last time, finishes hashing and ends. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#order({ kind: 'stop' });
    const { code } = await this.#owned.exited;
    if (code !== 0) throw new Error(`the directory watcher failed with exit code ${String(code)}`);
  }

  /** What happens in the directory before the other process has read the orders would be judged without them. */
  #allTaken(): Promise<true> {
    return eventually('the directory watcher has taken its orders', () => this.#taken === this.#ordered);
  }

  #order(order: WatcherOrder): void {
    this.#ordered += 1;
    this.#owned.child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  #take(finding: WatcherFinding): void {
    switch (finding.kind) {
      case 'taken':
        this.#taken += 1;
        break;
      case 'seen':
        this.sightings.push(finding);
        break;
      case 'violation':
        this.violations.push(finding);
        break;
      case 'stopped':
        this.#stopped = true;
        this.listings = finding.listings;
        break;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#owned, 2_000).catch(() => undefined);
  }
}
