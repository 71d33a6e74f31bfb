import { messageOf, ShoalError } from './errors.ts';
import { formatHostPort, type HostPort } from './host-port.ts';

/**
 * Why an address cannot be listened on, in one line. Found in the text, because libp2p gives only that: tips for its
 * callers and the stack of the error that has the code.
 */
export function listenFailure(
  error: unknown,
  { what, flag, address }: { readonly what: string; readonly flag: string; readonly address: HostPort },
): ShoalError {
  const errno = /\b(EADDRINUSE|EADDRNOTAVAIL|EACCES|EAFNOSUPPORT|ENOTFOUND)\b/.exec(messageOf(error))?.[1];
  return new ShoalError(
    'conflict',
    `${what} cannot listen on ${formatHostPort(address)}: ${errno === undefined ? messageOf(error) : `${reasons[errno]} (${errno})`}`,
    { cause: error, remedy: remedyOf(errno, flag) },
  );
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'ports below 1024 need a right that this user lacks',
  EAFNOSUPPORT: 'this machine has no addresses of that kind',
  ENOTFOUND: 'the host name is not known',
};

function remedyOf(errno: string | undefined, flag: string): string {
  if (errno === 'EADDRINUSE')
    return `Look for another shoal or program there (ss -ltnp), or choose a port with ${flag}.`;
  if (errno === 'EACCES') return `Choose a higher port with ${flag}.`;
  return `Choose an address of this machine with ${flag}.`;
}
