import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { endProcess, SHOAL, spawnOwned } from './child-process.ts';

export interface CommandResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The one JSON document on standard output. */
  json(): unknown;
}

export interface CommandOptions {
  /** `http://host:port` of the daemon to ask. */
  readonly api?: string;
  readonly token?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Of the pseudo-terminal. */
  readonly columns?: number;
  /** Sends SIGINT when it fires, as Ctrl-C does. */
  readonly signal?: AbortSignal;
  /** Presses Ctrl-C when it fires, on a pseudo-terminal. */
  readonly keys?: AbortSignal;
}

/** Runs `bin/shoal ARGS` to its end. */
export async function runShoal(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return await runCommand([SHOAL, ...args], options);
}

/** The same on a pseudo-terminal: standard output and error arrive as one, as a person sees them. */
export async function runShoalInTerminal(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const quoted = [SHOAL, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  return await runCommand(
    [
      'script',
      '--quiet',
      '--return',
      '--flush',
      '--command',
      `stty cols ${options.columns ?? 120}; exec ${quoted}`,
      '/dev/null',
    ],
    options,
  );
}

export async function runCommand(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { timeoutMs = 60_000 } = options;
  const owned = spawnOwned(command, {
    stdio: [options.keys === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: cleanEnvironment(options),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const interrupt = (): void => void owned.child.kill('SIGINT');
  options.signal?.addEventListener('abort', interrupt, { once: true });
  const press = (): void => void owned.child.stdin?.write('\x03');
  options.keys?.addEventListener('abort', press, { once: true });
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort();
    endProcess(owned, 2_000).catch(() => undefined);
  }, timeoutMs);
  try {
    const [stdout, stderr, exit] = await Promise.all([
      text(owned.child.stdout as Readable),
      text(owned.child.stderr as Readable),
      owned.exited,
    ]);
    if (deadline.signal.aborted)
      throw new Error(`${command.join(' ')} did not end within ${timeoutMs} ms\n${stdout}${stderr}`);
    return { ...exit, stdout, stderr, json: () => parseJson(command, stdout, stderr) };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', interrupt);
    options.keys?.removeEventListener('abort', press);
    owned.child.stdin?.destroy();
  }
}

function parseJson(command: readonly string[], stdout: string, stderr: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch (cause) {
    throw new Error(`${command.join(' ')} printed no JSON document:\n${stdout}\n${stderr}`, { cause });
  }
}

/** This process's environment without the settings that a developer may have for Shoal, plus those asked for. */
export function cleanEnvironment(options: Pick<CommandOptions, 'api' | 'token' | 'env'> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^SHOAL_|^LLORCH_|^NOTIFY_SOCKET$|^WATCHDOG_|^NODE_TEST/.test(name),
  );
  return {
    ...Object.fromEntries(inherited),
    ...(options.api === undefined ? {} : { SHOAL_API: options.api }),
    ...(options.token === undefined ? {} : { SHOAL_TOKEN: options.token }),
    ...options.env,
  };
}
