/** Where ids stand in paths, and what can stand behind one, except in a GET. */
const PLACES: readonly { readonly prefix: string; readonly actions: readonly string[] }[] = [
  { prefix: '/v1/models/', actions: ['want', 'pin', 'verify'] },
  { prefix: '/v2/catalog/models/', actions: ['verify', 'state'] },
];

/**
 * Ids contain slashes, plain or as %2F. Before routing, plain ones become %2F, so that a route sees one parameter:
 * `PUT /v1/models/loras/x.safetensors/want` → `PUT /v1/models/loras%2Fx.safetensors/want`. A model whose own name ends
 * in `/want` is meant when that slash is written %2F.
 */
export function encodeModelId(method: string, url: string): string {
  const place = PLACES.find(({ prefix }) => url.startsWith(prefix));
  if (place === undefined) return url;
  const { prefix, actions } = place;
  const queryAt = url.search(/[?#]/);
  const path = queryAt < 0 ? url : url.slice(0, queryAt);
  const query = queryAt < 0 ? '' : url.slice(queryAt);
  const segments = path.slice(prefix.length).split('/');
  const last = segments.at(-1) ?? '';
  const isAction = segments.length > 1 && method !== 'GET' && method !== 'HEAD' && actions.includes(last);
  if (isAction) segments.pop();
  return `${prefix}${segments.join('%2F')}${isAction ? `/${last}` : ''}${query}`;
}
