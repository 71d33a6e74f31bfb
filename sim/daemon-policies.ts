import { neighboursOf } from '../src/transfer/neighbours.ts';
import type { Policies } from './world.ts';

/** What the daemon does; a simulation may differ from it to compare. */
export function daemonPolicies(options: { readonly readers?: number; readonly shared?: boolean } = {}): Policies {
  const readers = options.readers === undefined ? {} : { readers: options.readers };
  return {
    downloadOptions: (node) => {
      if (options.shared === false) return {};
      const fetchers = (): Iterable<string> => node.fetchers();
      return { sharedOrigins: { self: node.name, fetchers, hasCompany: () => true, ...readers } };
    },
    neighboursOf: (self, known, sha256) => {
      const candidates = known.map(({ name, complete }) => ({ id: name, fetching: !complete }));
      return neighboursOf({ sha256, self, ...readers }, candidates);
    },
  };
}
