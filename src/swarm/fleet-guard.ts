import type { ConnectionGater, ConnectionProtector, MultiaddrConnection } from '@libp2p/interface';
import { preSharedKey } from '@libp2p/pnet';
import type { Log } from '../util/log.ts';

const MAX_NOTED_HOSTS = 256;

/**
 * The fleet key as libp2p's connection protector, with eyes: who has another key never gets past the first bytes, and
 * libp2p tells nobody. A connection that was protected but ended before both ends had proved their peer ids is noted,
 * once for each host.
 */
export function fleetGuard(
  fleetKey: Uint8Array,
  log: Log,
): { protector: () => ConnectionProtector; gater: ConnectionGater } {
  const authenticated = new WeakSet<object>();
  const noted = new Set<string>();
  const inner = preSharedKey({ psk: fleetKey })();

  const note = (connection: MultiaddrConnection): void => {
    if (authenticated.has(connection)) return;
    const { host } = hostOf(connection);
    if (noted.has(host) || noted.size >= MAX_NOTED_HOSTS) return;
    noted.add(host);
    log.warn(
      { address: String(connection.remoteAddr), direction: connection.direction },
      'connection refused: the other side does not hold this fleet key',
    );
  };

  const protector: ConnectionProtector = {
    protect: async (connection, options) => {
      const boxed = await inner.protect(connection, options);
      // libp2p hands over its raw connection here, whatever the interface says.
      boxed.addEventListener('close', () => note(connection as MultiaddrConnection), { once: true });
      return boxed;
    },
  };
  const remember = (_peer: unknown, connection: MultiaddrConnection): boolean => {
    authenticated.add(connection);
    return false;
  };
  return {
    protector: () => protector,
    gater: {
      // Fleets live on private addresses, which libp2p's default gater would not dial in a browser; never filter here.
      denyDialMultiaddr: () => false,
      denyInboundEncryptedConnection: remember,
      denyOutboundEncryptedConnection: remember,
    },
  };
}

function hostOf(connection: MultiaddrConnection): { host: string } {
  const component = connection.remoteAddr.getComponents().find(({ name }) => name.startsWith('ip'));
  return { host: component?.value ?? String(connection.remoteAddr) };
}
