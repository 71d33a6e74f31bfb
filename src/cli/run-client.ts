import { ShoalError } from '../util/errors.ts';
import { ApiClient } from './api-client.ts';
import type { ClientCommand } from './command.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { onInterrupt } from './interrupt.ts';
import { describeError, errorDocument, ProcessOutput } from './output.ts';

export interface ClientRun {
  readonly command: ClientCommand;
  readonly words: readonly string[];
  readonly options: object;
  readonly json: boolean;
  readonly api: string;
  readonly token: string | undefined;
  readonly color: boolean;
}

/** Runs one client command and turns what it throws into a line, a document and an exit code. */
export async function runClientCommand(run: ClientRun): Promise<number> {
  const out = new ProcessOutput(run);
  const { signal, release } = onInterrupt();
  try {
    const server = { url: parseApiUrl(run.api), token: run.token };
    return await run.command(
      { api: new ApiClient(server), server, out, json: run.json, signal },
      run.words,
      run.options,
    );
  } catch (error) {
    if (signal.aborted) {
      out.line('Interrupted.');
      return EXIT.interrupted;
    }
    out.line(`shoal: ${describeError(error)}`);
    if (run.json) out.json({ error: errorDocument(error) });
    return exitCodeOf(error);
  } finally {
    release();
  }
}

/** A URL or HOST:PORT; without the slash at its end. */
export function parseApiUrl(text: string): string {
  const url = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // A number alone would be an IPv4 address (7420 is 0.0.28.252), and is meant as a port.
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || /^\d+$/.test(text)) {
    throw new ShoalError('invalid', `--api: "${text}" is not the URL of a daemon`, {
      remedy: 'Write it like http://127.0.0.1:7420, with --api or in SHOAL_API.',
    });
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, '');
}
