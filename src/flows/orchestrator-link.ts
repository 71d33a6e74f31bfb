import type { Gauge } from 'prom-client';
import type { Clock } from '../util/clock.ts';
import { childController, withDeadline } from '../util/deadline.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { jittered, type Random } from '../util/random.ts';
import { Wake } from '../util/wake.ts';
import type { HeartbeatDocument, RegistrationDocument } from './heartbeat-documents.ts';
import { type Answer, parseObject, refusal, retryAfterMs, sendJson, troubleOf } from './orchestrator-requests.ts';
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

/** The first change of a burst is sent at once, the rest of it together after this rest. */
const GAP_MS = 50;
/** Heartbeats of many thousand models take their time: a burst of changes may use this share of it. */
const BUSY_SHARE = 0.5;
const GAP_MAX_MS = 200;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** Orchestrators take a node for offline after 30 s and keep it so until it registers again. */
const FORGOTTEN_AFTER_MS = 30_000;
const FAREWELL_DEADLINE_MS = 1_000;
/** An older state that is under way for longer is given up for a withdrawal that somebody waits for. */
const OVERTAKE_AFTER_MS = 150;
/** Trouble that comes back within this time is the same trouble, and the log has said it. */
const QUIET_MS = 60_000;

/**
 * Registers with one orchestrator and keeps it informed. Only the newest state is ever sent; an orchestrator that is
 * slow or away costs one pending request and gets the present, not the past, when it is back.
 */
export class OrchestratorLink {
  readonly #options: OrchestratorLinkOptions;
  readonly #parts: OrchestratorLinkParts;
  readonly #wake = new Wake();
  readonly #waiting = new Set<() => void>();
  readonly #said = new Set<string>();
  /** The registration that the orchestrator has accepted; undefined when it may know none. */
  #registeredAs: string | undefined;
  #mayKnowModels = false;
  #sending: AbortController | undefined;
  #periodMs: number;
  #gapMs = GAP_MS;
  #lastSuccess: { readonly monotonicMs: number; readonly atMs: number } | undefined;
  #problem: string | undefined;
  #failures = 0;
  #hasComplained = false;
  #lastFailureMs = -Infinity;

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

  /**
   * True when the orchestrator has accepted a heartbeat made after this call, or can know of no model; false when it has
   * not within that time. An older heartbeat that hangs is given up: it says what holds no longer.
   */
  async told(withinMs: number): Promise<boolean> {
    if (!this.#mayKnowModels) return true;
    const { clock } = this.#parts;
    const accepted = Promise.withResolvers<boolean>();
    const onAccepted = (): void => accepted.resolve(true);
    const over = new AbortController();
    this.#waiting.add(onAccepted);
    const older = this.#sending;
    this.notify();
    const overtake = clock.sleep(OVERTAKE_AFTER_MS, over.signal).then(() => {
      if (older !== undefined && this.#sending === older) older.abort(new DOMException('overtaken', 'AbortError'));
    });
    const late = clock.sleep(withinMs, over.signal).then(() => accepted.resolve(false));
    try {
      return await accepted.promise;
    } finally {
      this.#waiting.delete(onAccepted);
      over.abort();
      await Promise.allSettled([overtake, late]);
    }
  }

  view(): OrchestratorView {
    return {
      url: this.#options.url,
      registered: this.#registeredAs !== undefined,
      ...(this.#lastSuccess === undefined ? {} : { lastHeartbeatAt: new Date(this.#lastSuccess.atMs).toISOString() }),
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
    const { clock } = this.#parts;
    try {
      while (!signal.aborted) {
        const restMs = await this.#beat(signal);
        if (this.#failures > 0) {
          // Changes do not shorten a back-off: the next attempt sends the newest state anyway.
          await clock.sleep(restMs, signal);
          continue;
        }
        const endedMs = clock.monotonic();
        if (!(await this.#wake.wait(restMs, signal))) continue;
        const gapMs = this.#gapMs - (clock.monotonic() - endedMs);
        if (gapMs > 0) await clock.sleep(gapMs, signal);
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
    const startMs = clock.monotonic();
    try {
      if (this.#isForgotten()) this.#registeredAs = undefined;
      if (this.#registeredAs !== JSON.stringify(this.#parts.registration())) await this.#register(signal);
      await this.#heartbeat(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      return this.#failed(error);
    }
    if (this.#hasComplained || this.#lastSuccess === undefined) {
      log.info({ orchestrator: this.#options.url }, 'orchestrator accepts heartbeats');
    }
    this.#hasComplained = false;
    this.#failures = 0;
    this.#problem = undefined;
    this.#lastSuccess = { monotonicMs: clock.monotonic(), atMs: clock.now() };
    this.#gapMs = Math.min(GAP_MAX_MS, Math.max(GAP_MS, (clock.monotonic() - startMs) / BUSY_SHARE));
    this.#parts.connected.set({ orchestrator: this.#options.url }, 1);
    return this.#periodMs;
  }

  /** By either clock: the monotonic one stands still while the machine sleeps, the other may be put back. */
  #isForgotten(): boolean {
    if (this.#lastSuccess === undefined) return false;
    const { clock } = this.#parts;
    const { monotonicMs, atMs } = this.#lastSuccess;
    return clock.monotonic() - monotonicMs > FORGOTTEN_AFTER_MS || clock.now() - atMs > FORGOTTEN_AFTER_MS;
  }

  async #register(signal: AbortSignal): Promise<void> {
    const document = this.#parts.registration();
    const answer = await this.#send('POST', 'v2/nodes/register', document, signal);
    if (answer.status !== 200 || parseObject(answer.body)?.['success'] === false) throw refusal('register', answer);
    this.#registeredAs = JSON.stringify(document);
  }

  async #heartbeat(signal: AbortSignal): Promise<void> {
    const node = encodeURIComponent(this.#parts.registration().node_id);
    for (let introduced = false; ; ) {
      const answer = await this.#sendState(`v2/nodes/${node}/heartbeat`, signal);
      if (answer === 'overtaken') continue;
      if (answer.status === 200) {
        this.#periodMs = Math.min(this.#options.periodMs, nextHeartbeatMs(answer.body) ?? this.#options.periodMs);
        return;
      }
      if (answer.status !== 404) throw refusal('heartbeat', answer);
      this.#registeredAs = undefined;
      if (introduced) throw refusal('heartbeat', answer);
      // It has forgotten us, say after a restart of its own: introduce ourselves and say it again.
      await this.#register(signal);
      introduced = true;
    }
  }

  async #sendState(path: string, signal: AbortSignal): Promise<Answer | 'overtaken'> {
    const { controller, release } = childController(signal);
    // Who waits now is answered by this document, who comes later by the next.
    const answered = [...this.#waiting];
    this.#sending = controller;
    this.#mayKnowModels = true;
    try {
      const answer = await this.#send('POST', path, this.#parts.heartbeat(), controller.signal);
      if (answer.status === 200) for (const resolve of answered) resolve();
      return answer;
    } catch (error) {
      if (controller.signal.aborted && !signal.aborted) return 'overtaken';
      throw error;
    } finally {
      this.#sending = undefined;
      release();
    }
  }

  #failed(error: unknown): number {
    const { clock, log, random } = this.#parts;
    const nowMs = clock.monotonic();
    if (nowMs - this.#lastFailureMs > QUIET_MS) this.#said.clear();
    this.#lastFailureMs = nowMs;
    this.#failures += 1;
    const message = troubleOf(error);
    if (!this.#said.has(message)) {
      this.#said.add(message);
      this.#hasComplained = true;
      log.warn(
        { orchestrator: this.#options.url, problem: message },
        'orchestrator does not accept heartbeats, trying on',
      );
    }
    this.#problem = message;
    this.#parts.connected.set({ orchestrator: this.#options.url }, 0);
    const backOffMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 10));
    return Math.max(jittered(backOffMs, 0.3, random), retryAfterMs(error, clock.now()) ?? 0);
  }

  /** A daemon that ends can vouch for nothing any more, so the orchestrator should not wait 30 s to see it. */
  async #sayGoodbye(): Promise<void> {
    if (this.#registeredAs === undefined) return;
    this.#registeredAs = undefined;
    const node = encodeURIComponent(this.#parts.registration().node_id);
    try {
      await withDeadline(
        FAREWELL_DEADLINE_MS,
        (signal) => this.#send('DELETE', `v2/nodes/${node}`, undefined, signal),
        new AbortController().signal,
      );
      this.#mayKnowModels = false;
    } catch (error) {
      this.#parts.log.debug({ orchestrator: this.#options.url, err: error }, 'orchestrator not told of the end');
    }
  }

  async #send(method: 'POST' | 'DELETE', path: string, body: unknown, signal: AbortSignal): Promise<Answer> {
    const token = await this.#parts.token();
    return sendJson(new URL(path, withSlash(this.#options.url)), { method, body, token }, signal);
  }
}

function nextHeartbeatMs(body: string): number | undefined {
  // An orchestrator that answers 200 with another body still has our state.
  const value = parseObject(body)?.['next_heartbeat_ms'];
  return typeof value === 'number' && value >= 100 ? value : undefined;
}

function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}
