import type { TestContext } from 'node:test';
import type { Api } from '../../src/api/http-app.ts';
import { type ApiOptions, startApi } from '../../src/api/start-api.ts';
import type { ModelView } from '../../src/flows/views.ts';
import { silentLog } from '../../src/util/log.ts';
import { FakeNode } from './fake-node.ts';
import { checkedFetch } from './openapi-check.ts';

export interface Served {
  readonly node: FakeNode;
  readonly api: Api;
  readonly request: (path: string, options?: RequestInit) => Promise<Response>;
}

/** A fake node behind the real API on a real loopback port, for the length of a test. */
export async function serve(
  t: TestContext,
  models: readonly ModelView[] = [],
  options: Partial<ApiOptions> = {},
): Promise<Served> {
  const node = new FakeNode(models);
  const api = await startApi(
    { host: '127.0.0.1', port: 0, version: '0.1.0', ...options },
    { service: node, log: silentLog },
  );
  t.after(() => api[Symbol.asyncDispose]());
  return { node, api, request: checkedFetch(api.url) };
}
