import { multiaddr } from '@multiformats/multiaddr';
import { codeOf } from '../util/errors.ts';
import { type HostPort, parseHostPort } from '../util/host-port.ts';

/** Each is tried for a second or two before the next. */
const MAX_ADDRESSES = 3;
const ANYWHERE = ['0.0.0.0', '::'];

/**
 * Where a node's lane may be reached. One that listens on every address is looked for where the node is connected from
 * and where its record says that it listens; a record may say anything, but who answers has to prove that it is the peer.
 * @param connected the multiaddr of the connection that there is to it
 */
export function laneAddresses(
  node: { readonly lane: string | undefined; readonly addresses: readonly string[] } | undefined,
  connected: string | undefined,
): HostPort[] {
  if (node?.lane === undefined) return [];
  const { host, port } = parsed(node.lane);
  if (port === 0) return [];
  if (!ANYWHERE.includes(host)) return [{ host, port }];
  const from = connected === undefined ? [] : [connected];
  const hosts = new Set([...from, ...node.addresses].flatMap(hostOf));
  return [...hosts].slice(0, MAX_ADDRESSES).map((one) => ({ host: one, port }));
}

function parsed(lane: string): HostPort {
  try {
    return parseHostPort(lane, '');
  } catch (error) {
    if (codeOf(error) === 'invalid') return { host: '', port: 0 };
    throw error;
  }
}

function hostOf(address: string): string[] {
  try {
    const [first] = multiaddr(address).getComponents();
    const isHost = first !== undefined && ['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(first.name);
    return isHost && first.value !== undefined ? [first.value] : [];
  } catch {
    // What cannot be read cannot be dialled.
    return [];
  }
}
