/** What a heartbeat may be, for both sides: what a daemon sends, an orchestrator takes. */
export const HEARTBEAT_LIMITS = {
  bodyBytes: 8 * 2 ** 20,
  /** Ids and aliases, of the node and of each pool. */
  names: 20_000,
  incoming: 20_000,
  pools: 256,
} as const;
