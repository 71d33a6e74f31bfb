/** Every protocol of the swarm in one place; the number grows with any change that an older node would misread. */
export const RECORDS_TOPIC = 'shoal/records/1';
export const SYNC_PROTOCOL = '/shoal/sync/1';
export const RECORD_PROTOCOL = '/shoal/record/1';
export const HAVE_PROTOCOL = '/shoal/have/1';
export const MANIFEST_PROTOCOL = '/shoal/manifest/1';
export const RUNS_PROTOCOL = '/shoal/runs/1';

/** A delta above this is not sent: who needs it asks for what is missing. */
export const DELTA_MAX_BYTES = 64 * 1024;
export const GOSSIP_MAX_BYTES = 2 * DELTA_MAX_BYTES;
