import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type DaemonOptions, DaemonProcess } from './daemon-process.ts';
import { DirectoryWatcher, type ExpectedFile } from './directory-watcher.ts';
import { sha256OfFile } from './hash-file.ts';
import { HeartbeatConsumer } from './heartbeat-consumer.ts';
import { Nginx } from './nginx.ts';
import { runShoal } from './run-shoal.ts';
import { StaticOrigin } from './static-origin.ts';
import { eventually } from './wait.ts';

type BedDaemonOptions = Partial<Omit<DaemonOptions, 'name'>>;

/**
 * One place for everything an end-to-end test starts: daemons of one fleet, origins, orchestrators, watchers, and a
 * directory for their files. It closes them in reverse order and removes the directory, however the test ends; a test
 * that fails shows the last log lines of every daemon first. `SHOAL_TEST_KEEP=1` keeps the directory.
 */
export class TestBed implements AsyncDisposable {
  readonly directory: string;
  readonly fleetKeyFile: string;
  readonly daemons: DaemonProcess[] = [];
  readonly #owned: AsyncDisposable[] = [];

  private constructor(directory: string) {
    this.directory = directory;
    this.fleetKeyFile = join(directory, 'fleet.key');
  }

  /** Give it the test's context and it tidies up by itself; without one it is for `await using`. */
  static async open(
    options: { context?: TestContext & { readonly passed?: boolean }; under?: string } = {},
  ): Promise<TestBed> {
    const { context, under = tmpdir() } = options;
    const bed = new TestBed(await mkdtemp(join(under, 'shoal-test-')));
    context?.after(async () => {
      if (context.passed === false) bed.#tell(context);
      await bed[Symbol.asyncDispose]();
    });
    return bed;
  }

  /** A directory of that name under the test's own, with its parents. */
  async makeDirectory(...segments: string[]): Promise<string> {
    const directory = join(this.directory, ...segments);
    await mkdir(directory, { recursive: true });
    return directory;
  }

  /** Closed with the rest, before what was owned earlier. */
  own<T extends AsyncDisposable>(part: T): T {
    this.#owned.push(part);
    return part;
  }

  /** A daemon that knows those started before it (unless `bootstrap` says otherwise), ready to be asked. */
  async daemon(name: string, options: BedDaemonOptions = {}): Promise<DaemonProcess> {
    if (!existsSync(this.fleetKeyFile)) await this.#makeFleetKey();
    const home = options.home ?? (await this.makeDirectory(name));
    const bootstrap = this.daemons.filter((daemon) => daemon.isRunning).flatMap((daemon) => daemon.listen);
    const fleetKeyFile = this.fleetKeyFile;
    const daemon = this.own(DaemonProcess.create({ fleetKeyFile, bootstrap, ...options, home, name }));
    this.daemons.push(daemon);
    await daemon.start();
    return daemon;
  }

  /** Waits until each daemon that runs has heard of all the others: who is told of a model before that reads it alone. */
  async acquainted(): Promise<void> {
    const running = this.daemons.filter((daemon) => daemon.isRunning);
    await eventually(
      'all know each other',
      async () => {
        const known = await Promise.all(running.map((daemon) => daemon.peers()));
        return known.every((peers) => peers.filter(({ name }) => name !== '').length >= running.length - 1);
      },
      { timeoutMs: 30_000 },
    );
  }

  async consumer(options: { token?: string } = {}): Promise<HeartbeatConsumer> {
    return this.own(await HeartbeatConsumer.start(options));
  }

  async origin(directory: string): Promise<StaticOrigin> {
    return this.own(await StaticOrigin.start(directory));
  }

  async nginx(root: string, options: { tls?: boolean; bytesPerSecond?: number } = {}): Promise<Nginx> {
    return this.own(
      await Nginx.start({ root, home: await this.makeDirectory(`nginx-${this.#owned.length}`), ...options }),
    );
  }

  async watch(directory: string, expected: Readonly<Record<string, ExpectedFile>>): Promise<DirectoryWatcher> {
    return this.own(await DirectoryWatcher.start(directory, expected));
  }

  /** `shoal publish DIR`; throws when it fails. */
  async publish(directory: string): Promise<void> {
    const result = await runShoal(['publish', directory]);
    if (result.code !== 0) throw new Error(`shoal publish failed with ${String(result.code)}: ${result.stderr}`);
  }

  async #makeFleetKey(): Promise<void> {
    const result = await runShoal(['fleet-key']);
    if (result.code !== 0) throw new Error(`shoal fleet-key failed with ${String(result.code)}: ${result.stderr}`);
    await writeFile(this.fleetKeyFile, result.stdout, { mode: 0o600 });
  }

  #tell(context: TestContext): void {
    for (const daemon of this.daemons) context.diagnostic(`last words of ${daemon.name}:\n${daemon.log.tail(40)}`);
    context.diagnostic(`files were in ${this.directory}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#owned.splice(0).reverse()) {
      try {
        await part[Symbol.asyncDispose]();
      } catch (error) {
        console.error('while tidying up:', error);
      }
    }
    if (process.env['SHOAL_TEST_KEEP'] !== '1')
      await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Every file that a program listing the models directory would find, by relative path, with its digest. */
export async function digestsIn(modelsDir: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const entry of await readdir(modelsDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(modelsDir.length + 1);
    if (entry.isFile() && !path.startsWith('.shoal/')) digests[path] = await sha256OfFile(join(modelsDir, path));
  }
  return digests;
}
