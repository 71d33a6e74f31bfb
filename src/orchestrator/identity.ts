import type { Registration } from './documents.ts';
import type { NodeRecord } from './fleet-node.ts';

/** Who asks in a node's name. */
export interface Claim {
  /** The address that the request came from. */
  readonly source: string;
  /** It brought a token that is this node's alone: nothing else needs to match. */
  readonly proven: boolean;
}

/**
 * The first to register an id owns it. It is known again by its machine id, or, if that is new with each start, by coming
 * from the same host with the same address to be called at. Everybody else is refused until the operator (or the node
 * itself, when it ends) deletes the node. That keeps two nodes with one name apart; whoever knows the fleet's token
 * and wants to cheat is kept out by tokens of the nodes' own.
 */
export function mayRegister(record: NodeRecord, registration: Registration, claim: Claim): boolean {
  const { machine_id, address } = record.registration;
  if (claim.proven || machine_id === registration.machine_id) return true;
  return record.source === claim.source && address === registration.address;
}

/** A heartbeat says nothing of its machine: from elsewhere, the node has to introduce itself again. */
export function mayReport(record: NodeRecord, claim: Claim): boolean {
  return claim.proven || record.source === claim.source;
}
