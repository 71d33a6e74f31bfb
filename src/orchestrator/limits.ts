import { HEARTBEAT_LIMITS } from '../util/heartbeat-limits.ts';

/** What a fleet may be, so that no caller can make the orchestrator hold more than it has memory for. */
export const LIMITS = {
  nodes: 10_000,
  poolsPerNode: HEARTBEAT_LIMITS.pools,
  /** Ids and aliases in one list of a heartbeat. */
  modelsPerList: HEARTBEAT_LIMITS.names,
  /** Of the node and all of its pools. */
  modelsPerNode: HEARTBEAT_LIMITS.names,
  /** Different names in the whole fleet. */
  names: 200_000,
  /**
   * What all nodes say, together: registrations, names, digests. Some 900,000 models with an alias each, as Shoal nodes
   * tell them: 1,000 nodes with 900, or 90 with 10,000.
   */
  retainedBytes: 512 * 2 ** 20,
  /** Nodes of other kinds may have nothing and want everything; a Shoal node names the next thousand. */
  incomingPerNode: HEARTBEAT_LIMITS.incoming,
  gpusPerNode: 64,
  /** Of names whose sizes are remembered: some hundred thousand models. */
  modelSizesBytes: 32 * 2 ** 20,
  catalogModels: 100_000,
  leases: 50_000,
  waiters: 1_000,
  /** An id may be a path of 1,024 bytes. */
  modelNameLength: 1_024,
  idLength: 256,
  textLength: 1_024,
} as const;

/** Senders report every 10 s; three are missed before a node counts as gone. */
export const PERIOD_MS = 10_000;
export const OFFLINE_AFTER_MS = 30_000;
export const SWEEP_MS = 10_000;
/** A node that has been silent for a week is forgotten, and its id is free again. */
export const FORGET_AFTER_MS = 7 * 24 * 3600 * 1000;
