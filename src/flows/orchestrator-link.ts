import type { Gauge } from 'prom-client';
import { request } from 'undici';
import type { Clock } from '../util/clock.ts';
import { withDeadline } from '../util/deadline.ts';
import { isAbort, messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { jittered, type Random } from '../util/random.ts';
import { Wake } from '../util/wake.ts';
import type { HeartbeatDocument, RegistrationDocument } from './heartbeat-documents.ts';
import type { OrchestratorView } from './views.ts';

export interface OrchestratorLinkOptions {
  /** `http://host:port`, without the `/v2` part. */
  readonly url: string;
  readonly periodMs: number;
}

export interface OrchestratorLinkParts {
  /** Read for each request, so that a rotated token file is picked up. */
  readonly token: () => Promise<string | undefined>;
  readonly registration: () => RegistrationDocument;
  /** Built when it is sent: what waits is never a document, only the wish to send one. */
  readonly heartbeat: () => HeartbeatDocument;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly connected: Gauge<'orchestrator'>;
}

/** A change is sent after this rest, so that a burst of changes is one heartbeat. */
const DEBOUNCE_MS = 50;
const REQUEST_DEADLINE_MS = 5_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** Orchestrators take a node for offline after 30 s and keep it so until it registers again. */
const FORGOTTEN_AFTER_MS = 30_000;
const FAREWELL_DEADLINE_MS = 1_000;

/**
 * Registers with one orchestrator and keeps it informed. Only the newest state is ever sent; an orchestrator that is
 * slow or away costs one pending request and gets the present, not the past, when it is back.
 */
export class OrchestratorLink {
  readonly #options: OrchestratorLinkOptions;
  readonly #parts: OrchestratorLinkParts;
  readonly #wake = new Wake();
  #registered = false;
  #periodMs: number;
  #lastSuccess: number | undefined;
  #lastSuccessAt: string | undefined;
  #problem: string | undefined;
  #failures = 0;

  constructor(options: OrchestratorLinkOptions, parts: OrchestratorLinkParts) {
    this.#options = options;
    this.#parts = parts;
    this.#periodMs = options.periodMs;
  }

  static gauge(metrics: Metrics): Gauge<'orchestrator'> {
    return metrics.gauge('shoal_orchestrator_connected', '1 while the last heartbeat was accepted', ['orchestrator']);
  }

  /** The state has changed: a heartbeat goes out at once. */
  notify(): void {
    this.#wake.notify();
  }

  view(): OrchestratorView {
    return {
      url: this.#options.url,
      registered: this.#registered,
      ...(this.#lastSuccessAt === undefined ? {} : { lastHeartbeatAt: this.#lastSuccessAt }),
      ...(this.#problem === undefined
        ? {}
        : {
            problem: {
              code: 'unreachable',
              message: this.#problem,
              remedy: 'Check the URL, the token and that the orchestrator runs.',
            },
          }),
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const restMs = await this.#beat(signal);
        if (this.#failures > 0) {
          // Changes do not shorten a back-off: the next attempt sends the newest state anyway.
          await this.#parts.clock.sleep(restMs, signal);
        } else if (await this.#wake.wait(restMs, signal)) {
          await this.#parts.clock.sleep(DEBOUNCE_MS, signal);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await this.#sayGoodbye();
    }
  }

  /** One exchange; returns how long to rest until the next. */
  async #beat(signal: AbortSignal): Promise<number> {
    const { clock, log } = this.#parts;
    try {
      if (this.#lastSuccess !== undefined && clock.monotonic() - this.#lastSuccess > FORGOTTEN_AFTER_MS) {
        this.#registered = false;
      }
      if (!this.#registered) await this.#register(signal);
      await this.#heartbeat(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      return this.#failed(error);
    }
    if (this.#failures > 0 || this.#lastSuccess === undefined) {
      log.info({ orchestrator: this.#options.url }, 'orchestrator accepts heartbeats');
    }
    this.#failures = 0;
    this.#problem = undefined;
    this.#lastSuccess = clock.monotonic();
    this.#lastSuccessAt = new Date(clock.now()).toISOString();
    this.#parts.connected.set({ orchestrator: this.#options.url }, 1);
    return this.#periodMs;
  }

  async #register(signal: AbortSignal): Promise<void> {
    const answer = await this.#send('POST', 'v2/nodes/register', this.#parts.registration(), signal);
    if (answer.status !== 200) throw refusal('register', answer);
    this.#registered = true;
  }

  async #heartbeat(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const node = encodeURIComponent(this.#parts.registration().node_id);
      const answer = await this.#send('POST', `v2/nodes/${node}/heartbeat`, this.#parts.heartbeat(), signal);
      if (answer.status === 200) {
        this.#periodMs = Math.min(this.#options.periodMs, nextHeartbeatMs(answer.body) ?? this.#options.periodMs);
        return;
      }
      if (answer.status !== 404) throw refusal('heartbeat', answer);
      this.#registered = false;
      if (attempt > 0) throw refusal('heartbeat', answer);
      // It has forgotten us, say after a restart of its own: introduce ourselves and say it again.
      await this.#register(signal);
    }
  }

  #failed(error: unknown): number {
    const { clock, log, random } = this.#parts;
    this.#failures += 1;
    const message = isAbort(error) ? `no answer within ${REQUEST_DEADLINE_MS} ms` : messageOf(error);
    if (message !== this.#problem) {
      log.warn(
        { orchestrator: this.#options.url, problem: message },
        'orchestrator does not accept heartbeats, trying on',
      );
      this.#problem = message;
    }
    this.#parts.connected.set({ orchestrator: this.#options.url }, 0);
    const backOffMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 10));
    const askedMs = error instanceof ShoalError ? retryAfterMs(error.fields['retryAfter'], clock.now()) : undefined;
    return Math.max(jittered(backOffMs, 0.3, random), askedMs ?? 0);
  }

  /** A daemon that ends can vouch for nothing any more, so the orchestrator should not wait 30 s to see it. */
  async #sayGoodbye(): Promise<void> {
    if (!this.#registered) return;
    this.#registered = false;
    const node = encodeURIComponent(this.#parts.registration().node_id);
    try {
      await withDeadline(
        FAREWELL_DEADLINE_MS,
        (signal) => this.#send('DELETE', `v2/nodes/${node}`, undefined, signal),
        new AbortController().signal,
      );
    } catch (error) {
      this.#parts.log.debug({ orchestrator: this.#options.url, err: error }, 'orchestrator not told of the end');
    }
  }

  async #send(method: 'POST' | 'DELETE', path: string, body: unknown, signal: AbortSignal): Promise<Answer> {
    const token = await this.#parts.token();
    return withDeadline(
      REQUEST_DEADLINE_MS,
      async (deadline) => {
        const answer = await request(new URL(path, withSlash(this.#options.url)), {
          method,
          headers: {
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          signal: deadline,
        });
        return {
          status: answer.statusCode,
          body: await readBounded(answer.body),
          retryAfter: answer.headers['retry-after'],
        };
      },
      signal,
    );
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly retryAfter: string | string[] | undefined;
}

const ANSWER_MAX_BYTES = 64 * 1024;

async function readBounded(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.byteLength;
    if (length > ANSWER_MAX_BYTES) throw new ShoalError('invalid', 'the orchestrator answered with more than 64 KiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refusal(what: string, answer: Answer): ShoalError {
  const hint = answer.status === 401 ? ' (wrong or missing token)' : '';
  return new ShoalError('unreachable', `${what} was answered with ${answer.status}${hint}`, {
    fields: { status: answer.status, retryAfter: answer.retryAfter },
  });
}

function nextHeartbeatMs(body: string): number | undefined {
  try {
    const value = (JSON.parse(body) as { next_heartbeat_ms?: unknown }).next_heartbeat_ms;
    return typeof value === 'number' && value >= 100 ? value : undefined;
  } catch {
    return undefined; // an orchestrator that answers 200 with another body still has our state
  }
}

/** `Retry-After` in seconds or as an HTTP date (RFC 9110 §10.2.3), capped at 5 minutes. */
function retryAfterMs(value: unknown, now: number): number | undefined {
  if (typeof value !== 'string') return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, 300_000) : undefined;
}

function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}
