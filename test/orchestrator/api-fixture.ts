import type { TestContext } from 'node:test';
import { startOrchestratorApi } from '../../src/api/orchestrator/start-orchestrator-api.ts';
import { OrchestratorClient } from '../../src/orchestrator/client.ts';
import { TokenTable } from '../../src/orchestrator/token-table.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { checkedFetch } from '../api/openapi-check.ts';
import { TestFleet } from './fleet-fixture.ts';

export interface ServedOrchestrator {
  readonly fleet: TestFleet;
  readonly url: string;
  readonly client: OrchestratorClient;
  readonly request: (path: string, init?: RequestInit) => Promise<Response>;
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Response>;
}

/** An orchestrator behind its real API on a real loopback port, for the length of a test; its time stands still. */
export async function serveOrchestrator(
  t: TestContext,
  options: { readonly tokens?: string; readonly token?: string } = {},
): Promise<ServedOrchestrator> {
  const fleet = await TestFleet.open();
  const { orchestrator, clock } = fleet;
  const tokens = options.tokens === undefined ? undefined : TokenTable.parse(options.tokens);
  const api = await startOrchestratorApi(
    { host: '127.0.0.1', port: 0, version: '0.1.0' },
    { orchestrator, tokens, metrics: new Metrics(), clock, log: silentLog },
  );
  t.after(() => api[Symbol.asyncDispose]());
  const { token } = options;
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const checked = checkedFetch(api.url, authorization);
  const request = (path: string, init: RequestInit = {}): Promise<Response> =>
    checked(path, { ...init, headers: { ...authorization, ...(init.headers as Record<string, string>) } });
  return {
    fleet,
    url: api.url,
    client: new OrchestratorClient({ url: api.url, ...(token === undefined ? {} : { token }) }),
    request,
    post: (path, body, headers = {}) =>
      request(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}
