import { type ApiClient, ApiProblem } from './client.ts';
import { EventParser, type ServerEvent } from './event-parser.ts';

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'lost'; readonly retryAtMs: number; readonly reason: string }
  | { readonly kind: 'locked'; readonly wasGiven: boolean };

export interface StreamHandlers {
  /** Called at each new connection, before its first event: there is no replay, so the state is to be read again. */
  readonly onOpen: () => Promise<void>;
  readonly onEvent: (event: ServerEvent) => void;
  readonly onChange: (connection: Connection) => void;
}

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 15_000;
/** The server says something every 15 s. */
const SILENT_MAX_MS = 40_000;

/**
 * Reads `/v1/events` with fetch, because EventSource can send no token. It comes back by itself, later and later, and at
 * once when the tab is looked at or the network returns.
 */
export class EventStream {
  readonly #client: ApiClient;
  readonly #handlers: StreamHandlers;
  #failures = 0;
  /** Ends the wait before the next attempt. */
  #wake: (() => void) | undefined;
  /** Ends the wait for a token. */
  #unlock: (() => void) | undefined;
  #hasTried = false;

  constructor(parts: { readonly client: ApiClient; readonly handlers: StreamHandlers }) {
    this.#client = parts.client;
    this.#handlers = parts.handlers;
  }

  /** There is a token now. */
  unlock(): void {
    this.#failures = 0;
    this.#unlock?.();
  }

  async run(): Promise<never> {
    addEventListener('online', () => this.#wake?.());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#wake?.();
    });
    for (;;) {
      try {
        await this.#read();
        await this.#pause('the server has ended the connection');
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 401) {
          this.#handlers.onChange({ kind: 'locked', wasGiven: this.#hasTried });
          this.#client.forgetToken();
          await new Promise<void>((resolve) => {
            this.#unlock = resolve;
          });
          this.#hasTried = true;
        } else {
          await this.#pause(error instanceof ApiProblem ? error.message : 'the server does not answer');
        }
      }
    }
  }

  async #read(): Promise<void> {
    const controller = new AbortController();
    let timer = setTimeout(() => controller.abort(), SILENT_MAX_MS);
    try {
      const response = await this.#client.open('v1/events', { signal: controller.signal });
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      if (reader === undefined) return;
      await this.#handlers.onOpen();
      this.#failures = 0;
      this.#handlers.onChange({ kind: 'live' });
      const parser = new EventParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => controller.abort(), SILENT_MAX_MS);
        for (const event of parser.push(value)) this.#handlers.onEvent(event);
      }
    } finally {
      clearTimeout(timer);
      controller.abort();
    }
  }

  async #pause(reason: string): Promise<void> {
    const jitter = 0.8 + 0.4 * Math.random();
    const ms = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures) * jitter;
    this.#failures += 1;
    this.#handlers.onChange({ kind: 'lost', retryAtMs: Date.now() + ms, reason });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
