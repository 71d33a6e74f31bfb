import type { ApiClient } from './api-client.ts';
import type { Output } from './output.ts';

/** What a client command works with. */
export interface CommandParts {
  readonly api: ApiClient;
  /** Where that is: a daemon, for some commands an orchestrator. */
  readonly server: { readonly url: string; readonly token: string | undefined };
  readonly out: Output;
  /** Print one JSON document instead of text for people. */
  readonly json: boolean;
  /** Fires on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** Returns the exit code; throws what the table of exit codes knows. */
export type ClientCommand<Options = object> = (
  parts: CommandParts,
  words: readonly string[],
  options: Options,
) => Promise<number>;
