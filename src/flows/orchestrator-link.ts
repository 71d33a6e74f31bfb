import type { Gauge } from 'prom-client';
import { childController, withDeadline } from '../util/deadline.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';
import { Wake } from '../util/wake.ts';
import type { HeartbeatDocument, RegistrationDocument } from './heartbeat-documents.ts';
import { LinkTrouble } from './link-trouble.ts';
import { OrchestratorConnections, type OrchestratorConnectionsParts } from './orchestrator-connections.ts';
import { type Answer, parseObject, refusal, sendJson } from './orchestrator-requests.ts';
import { ToldState } from './told-state.ts';
import type { OrchestratorView } from './views.ts';

export interface OrchestratorLinkOptions {
  /** `http://host:port`, without the `/v2` part. */
  readonly url: string;
  readonly periodMs: number;
}

export interface OrchestratorLinkParts extends OrchestratorConnectionsParts {
  /** Read for each request, so that a rotated token file is picked up. */
  readonly token: () => Promise<string | undefined>;
  readonly registration: () => RegistrationDocument;
  /** Built when it is sent: what waits is never a document, only the wish to send one. */
  readonly heartbeat: () => HeartbeatDocument;
  readonly random: Random;
  readonly log: Log;
  readonly connected: Gauge<'orchestrator'>;
}

/** The first change of a burst is sent at once, the rest of it together after this rest. */
const GAP_MS = 50;
/** Heartbeats of many thousand models take their time: a burst of changes may use this share of it. */
const BUSY_SHARE = 0.5;
const GAP_MAX_MS = 200;
/** Orchestrators take a node for offline after 30 s and keep it so until it registers again. */
const FORGOTTEN_AFTER_MS = 30_000;
const FAREWELL_DEADLINE_MS = 1_000;
/** So far apart are attempts for withdrawals, whatever back-off or `Retry-After` say. */
const PRESS_GAP_MS = 1_000;

/**
 * Registers with one orchestrator and keeps it informed. Only the newest state is ever sent; an orchestrator that is
 * slow or away costs one pending request and gets the present, not the past, when it is back.
 */
export class OrchestratorLink {
  readonly #options: OrchestratorLinkOptions;
  readonly #parts: OrchestratorLinkParts;
  readonly #wake = new Wake();
  readonly #connections: OrchestratorConnections;
  readonly #trouble: LinkTrouble;
  readonly #state: ToldState;
  /** The registration that the orchestrator has accepted; undefined when it may know none. */
  #registeredAs: string | undefined;
  #periodMs: number;
  #gapMs = GAP_MS;
  #lastSuccess: { readonly monotonicMs: number; readonly atMs: number } | undefined;
  /** Ends the rest after a failure. */
  #backOff: AbortController | undefined;
  /** Somebody has come to wait since the last attempt began. */
  #isPressed = false;

  constructor(options: OrchestratorLinkOptions, parts: OrchestratorLinkParts) {
    this.#options = options;
    this.#parts = parts;
    this.#periodMs = options.periodMs;
    this.#connections = new OrchestratorConnections(parts);
    this.#trouble = new LinkTrouble(options, parts);
    this.#state = new ToldState(parts);
  }

  static gauge(metrics: Metrics): Gauge<'orchestrator'> {
    return metrics.gauge('shoal_orchestrator_connected', '1 while the last heartbeat was accepted', ['orchestrator']);
  }

  /** The state has changed: a heartbeat goes out at once. */
  notify(): void {
    this.#wake.notify();
  }

  /**
   * A withdrawal: true when the orchestrator has accepted a heartbeat made after this call, or believes in none of ours
   * anyway; false when it has not for so long that it takes this node for offline. The truth about what is here goes
   * before patience: one attempt is made now also where a back-off or a `Retry-After` asks to wait, the next ones not.
   */
  async told(signal: AbortSignal): Promise<boolean> {
    if (this.#state.believedMs() <= 0) return true;
    this.#isPressed = true;
    this.#trouble.hurry();
    this.#backOff?.abort();
    this.notify();
    return this.#state.replaced(signal);
  }

  view(): OrchestratorView {
    const { problem } = this.#trouble;
    return {
      url: this.#options.url,
      registered: this.#registeredAs !== undefined,
      ...(this.#lastSuccess === undefined ? {} : { lastHeartbeatAt: new Date(this.#lastSuccess.atMs).toISOString() }),
      ...(problem === undefined
        ? {}
        : {
            problem: {
              code: 'unreachable',
              message: problem,
              remedy: 'Check the URL, the token and that the orchestrator runs.',
            },
          }),
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    try {
      while (!signal.aborted) {
        this.#isPressed = false;
        const startMs = clock.monotonic();
        const restMs = await this.#beat(signal);
        if (this.#trouble.isFailing) {
          await this.#restAfterFailure(restMs, startMs, signal);
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
      await this.#connections[Symbol.asyncDispose]();
    }
  }

  /** Changes do not shorten it, because the next attempt sends the newest state anyway; withdrawals do. */
  async #restAfterFailure(restMs: number, startMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const { controller, release } = childController(signal);
    this.#backOff = controller;
    if (this.#isPressed) controller.abort();
    try {
      await clock.sleep(restMs, controller.signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const gapMs = startMs + PRESS_GAP_MS - clock.monotonic();
      if (gapMs > 0) await clock.sleep(Math.min(gapMs, restMs), signal);
    } finally {
      this.#backOff = undefined;
      release();
    }
  }

  /** One exchange; returns how long to rest until the next. */
  async #beat(signal: AbortSignal): Promise<number> {
    const { clock } = this.#parts;
    const startMs = clock.monotonic();
    try {
      if (this.#isForgotten()) this.#registeredAs = undefined;
      if (this.#registeredAs !== JSON.stringify(this.#parts.registration())) await this.#register(signal);
      await this.#heartbeat(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      return this.#trouble.failed(error);
    }
    this.#trouble.succeeded();
    this.#lastSuccess = { monotonicMs: clock.monotonic(), atMs: clock.now() };
    this.#gapMs = Math.min(GAP_MAX_MS, Math.max(GAP_MS, (clock.monotonic() - startMs) / BUSY_SHARE));
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
      const answer = await this.#state.send(
        (until) => this.#send('POST', `v2/nodes/${node}/heartbeat`, this.#parts.heartbeat(), until),
        signal,
      );
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

  /** A daemon that ends can vouch for nothing any more, so the orchestrator should not wait 30 s to see it. */
  async #sayGoodbye(): Promise<void> {
    if (this.#registeredAs === undefined) return;
    this.#registeredAs = undefined;
    const node = encodeURIComponent(this.#parts.registration().node_id);
    try {
      const { status } = await withDeadline(
        FAREWELL_DEADLINE_MS,
        (signal) => this.#send('DELETE', `v2/nodes/${node}`, undefined, signal),
        new AbortController().signal,
      );
      if (status === 204 || status === 404) this.#state.forgotten();
    } catch (error) {
      this.#parts.log.debug({ orchestrator: this.#options.url, err: error }, 'orchestrator not told of the end');
    }
  }

  async #send(method: 'POST' | 'DELETE', path: string, body: unknown, signal: AbortSignal): Promise<Answer> {
    const token = await this.#parts.token();
    const { dispatcher } = this.#connections;
    return sendJson(new URL(path, withSlash(this.#options.url)), { method, body, token, dispatcher }, signal);
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
