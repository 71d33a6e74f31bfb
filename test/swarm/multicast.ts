import { createSocket } from 'node:dgram';
import type { Missing } from '../support/needs.ts';

const GROUP = '224.0.0.251';
const WITHIN_MS = 2_000;

/** Whether a datagram to mDNS's group comes back to this machine, which some containers do not allow. */
export async function whyNoMulticast(): Promise<Missing> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  try {
    return await new Promise<Missing>((resolve) => {
      const timer = setTimeout(() => resolve(`no datagram to ${GROUP} comes back here: allow multicast`), WITHIN_MS);
      const settle = (missing: Missing): void => {
        clearTimeout(timer);
        resolve(missing);
      };
      socket.once('message', () => settle(false));
      socket.once('error', ({ message }) => settle(`multicast does not work here: ${message}`));
      socket.bind(0, () => {
        try {
          socket.addMembership(GROUP);
          socket.send('shoal', socket.address().port, GROUP, (error) => {
            if (error !== null) settle(`multicast does not work here: ${error.message}`);
          });
        } catch (error) {
          settle(`multicast does not work here: ${String(error)}`);
        }
      });
    });
  } finally {
    socket.close();
  }
}
