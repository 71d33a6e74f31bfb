const PREFIX = '/v2/catalog/models/';
const ACTIONS: readonly string[] = ['verify', 'state'];

/** Ids contain slashes: before routing those become %2F, so that a route sees one parameter. */
export function encodeCatalogId(method: string, url: string): string {
  if (!url.startsWith(PREFIX)) return url;
  const queryAt = url.search(/[?#]/);
  const path = queryAt < 0 ? url : url.slice(0, queryAt);
  const query = queryAt < 0 ? '' : url.slice(queryAt);
  const segments = path.slice(PREFIX.length).split('/');
  const isAction = method === 'POST' && segments.length > 1 && ACTIONS.includes(segments.at(-1) ?? '');
  const action = isAction ? `/${segments.pop() ?? ''}` : '';
  return `${PREFIX}${segments.join('%2F')}${action}${query}`;
}
