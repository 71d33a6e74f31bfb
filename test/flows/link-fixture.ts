import type { LookupFunction } from 'node:net';
import { heartbeatDocument, type RegistrationDocument } from '../../src/flows/heartbeat-documents.ts';
import { OrchestratorLink } from '../../src/flows/orchestrator-link.ts';
import { type Clock, systemClock } from '../../src/util/clock.ts';
import type { Log } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { seededRandom } from '../../src/util/random.ts';
import { collectLog } from '../support/collect-log.ts';

export interface LinkState {
  available: string[];
  address: string;
  token: string | undefined;
}

export interface RunningLink extends AsyncDisposable {
  readonly link: OrchestratorLink;
  readonly state: LinkState;
  readonly log: { readonly level: string; readonly msg: string; readonly problem?: string }[];
}

/** Waits are shorter by that factor: minutes of back-off in seconds. */
export function hastyClock(factor: number): Clock {
  return {
    now: () => systemClock.now() * factor,
    monotonic: () => systemClock.monotonic() * factor,
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
  };
}

/** A link that runs, over a state that the test changes. */
export function runLink(
  url: string,
  options: {
    clock?: Clock;
    periodMs?: number;
    state?: Partial<LinkState>;
    lookup?: LookupFunction;
    seed?: number;
  } = {},
): RunningLink {
  const { clock = systemClock, periodMs = 10_000, lookup, seed = 1 } = options;
  const state: LinkState = { available: [], address: 'http://127.0.0.1:7420', token: undefined, ...options.state };
  const { log, lines } = collectLog();
  const link = linkTo(url, { state, clock, periodMs, log, lookup, seed });
  const controller = new AbortController();
  const running = link.run(controller.signal);
  return {
    link,
    state,
    log: lines,
    async [Symbol.asyncDispose]() {
      controller.abort();
      await running;
    },
  };
}

function linkTo(
  url: string,
  parts: {
    state: LinkState;
    clock: Clock;
    periodMs: number;
    log: Log;
    lookup: LookupFunction | undefined;
    seed: number;
  },
): OrchestratorLink {
  const { state, clock, periodMs, log, lookup, seed } = parts;
  const registration = (): RegistrationDocument => ({
    node_id: 'gpu-1',
    machine_id: 'm',
    address: state.address,
    pools: ['gpu-1'],
    capabilities: { gpus: [], cpu_cores: 2, ram_total_bytes: 1 },
    version: '0.0.0',
  });
  return new OrchestratorLink(
    { url, periodMs },
    {
      token: () => Promise.resolve(state.token),
      registration,
      heartbeat: () =>
        heartbeatDocument({
          now: clock.now(),
          ready: true,
          pools: [{ id: 'gpu-1', ready: true, draining: false, slotsTotal: 1, slotsFree: 1, vramFreeBytes: 0 }],
          available: state.available,
          incoming: [],
          digests: {},
        }),
      clock,
      random: seededRandom(seed),
      log,
      connected: OrchestratorLink.gauge(new Metrics()),
      ...(lookup === undefined ? {} : { lookup }),
    },
  );
}
