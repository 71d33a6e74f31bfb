const PREFIX = '/v1/models/';

/** What can stand behind a model's id, except in a GET. */
const ACTIONS: readonly string[] = ['want', 'pin', 'verify'];

/**
 * Ids contain slashes, plain or as %2F. Before routing, plain ones become %2F, so that a route sees one parameter:
 * `PUT /v1/models/loras/x.safetensors/want` → `PUT /v1/models/loras%2Fx.safetensors/want`. A model whose own name ends
 * in `/want` is meant when that slash is written %2F.
 */
export function encodeModelId(method: string, url: string): string {
  if (!url.startsWith(PREFIX)) return url;
  const queryAt = url.search(/[?#]/);
  const path = queryAt < 0 ? url : url.slice(0, queryAt);
  const query = queryAt < 0 ? '' : url.slice(queryAt);
  const segments = path.slice(PREFIX.length).split('/');
  const last = segments.at(-1) ?? '';
  const isAction = segments.length > 1 && method !== 'GET' && method !== 'HEAD' && ACTIONS.includes(last);
  if (isAction) segments.pop();
  return `${PREFIX}${segments.join('%2F')}${isAction ? `/${last}` : ''}${query}`;
}
