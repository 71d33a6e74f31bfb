import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Registration } from './documents.ts';
import type { FleetNode, NodeRecord } from './fleet-node.ts';
import { OFFLINE_AFTER_MS } from './limits.ts';

/** Who asks in a node's name. */
export interface Claim {
  /** The address that the request came from. */
  readonly source: string;
  /** It brought a token that is this node's alone: nothing else needs to match. */
  readonly proven: boolean;
}

/** `moved`: it is the owner, from another address than before. */
export type Claimant = 'owner' | 'moved' | 'stranger';

/**
 * The first to register an id owns it, and is known again by two things together: the address that its requests come
 * from, and its machine id (which a Shoal node makes from its peer id) or, if that is new with each start, the address
 * to be called at. A machine id is no secret: from another address it counts only when the owner is offline, as one is
 * whose address has changed. Everybody else is refused until the operator (or the node itself, when it ends) deletes the
 * node. That keeps nodes with one name apart, also where one copies what the other says of itself. Who can send from the
 * owner's address, or has a token that may do everything, is kept out by a token of the node's own.
 */
export function recognize(
  owner: { readonly record: NodeRecord; readonly isOffline: boolean },
  registration: Registration,
  claim: Claim,
): Claimant {
  const { source } = owner.record;
  const { machine_id: machineId, address } = owner.record.registration;
  const isThere = source === claim.source;
  if (claim.proven) return isThere ? 'owner' : 'moved';
  const isSameMachine = machineId === registration.machine_id;
  if (isThere) return isSameMachine || address === registration.address ? 'owner' : 'stranger';
  return isSameMachine && owner.isOffline ? 'moved' : 'stranger';
}

/**
 * Lets only the owner of the id register it; the log says once who moves, and who claims what is another's.
 * @throws ShoalError `conflict`
 */
export function assertOwner(node: FleetNode, registration: Registration, claim: Claim, log: Log): void {
  const { id, record } = node;
  const owner = record.source;
  const claimant = recognize({ record, isOffline: node.presence === 'offline' }, registration, claim);
  if (claimant === 'stranger') {
    if (node.claimedFrom !== claim.source)
      log.warn({ node: id, owner, source: claim.source }, 'another claims this id');
    node.claimedFrom = claim.source;
    throw new ShoalError('conflict', `"${id}" is the id of another node, at ${node.address}`, {
      remedy: remedyFor(id),
    });
  }
  if (claimant === 'moved') log.info({ node: id, from: owner, to: claim.source }, 'node has another address now');
  node.claimedFrom = undefined;
}

function remedyFor(id: string): string {
  return (
    'Give this node another name. If it is the same node and its address has changed: it is taken when the old one is ' +
    `offline (${OFFLINE_AFTER_MS / 1000} s), at once with a token of its own, or after DELETE /v2/nodes/${encodeURIComponent(id)}.`
  );
}

/** A heartbeat says nothing of its machine: from elsewhere, the node has to introduce itself again. */
export function mayReport(record: NodeRecord, claim: Claim): boolean {
  return claim.proven || record.source === claim.source;
}
