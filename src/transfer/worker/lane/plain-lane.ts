import type { Socket } from 'node:net';
import { ShoalError } from '../../../util/errors.ts';

/**
 * How a lane that is not encrypted begins: this greeting, then the ticket, together 36 bytes. TLS begins with 0x16, so one
 * port tells them apart by the first byte.
 */
const GREETING = Buffer.from('SHL1');
const TICKET_BYTES = 32;

export function plainHello(ticket: Uint8Array): Uint8Array {
  return Buffer.concat([GREETING, ticket]);
}

/**
 * The ticket that a connection begins with, or undefined for one that begins with something else, which stays in the
 * socket for whoever reads next.
 * @throws ShoalError `source-gone`, `unauthorized`
 */
export async function readTicket(socket: Socket): Promise<Uint8Array | undefined> {
  const first = await readSome(socket, 1);
  if (first[0] !== GREETING[0]) {
    socket.unshift(first);
    return undefined;
  }
  const rest = await readSome(socket, GREETING.length + TICKET_BYTES - 1);
  const hello = Buffer.concat([first, rest]);
  if (!hello.subarray(0, GREETING.length).equals(GREETING)) {
    throw new ShoalError('unauthorized', 'that is neither TLS nor a ticket');
  }
  return Uint8Array.from(hello.subarray(GREETING.length));
}

function readSome(socket: Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      socket.off('readable', look);
      socket.off('close', onClose);
      socket.off('end', onClose);
    };
    const look = (): void => {
      const bytes = socket.read(length) as Buffer | null;
      if (bytes === null) return;
      settle();
      if (bytes.length === length) resolve(bytes);
      else reject(new ShoalError('source-gone', 'closed before a word was said'));
    };
    const onClose = (): void => {
      settle();
      reject(new ShoalError('source-gone', 'closed before a word was said'));
    };
    socket.on('readable', look);
    socket.on('close', onClose);
    socket.on('end', onClose);
    look();
  });
}
