import { BlockList, isIP } from 'node:net';
import { ShoalError } from './errors.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
loopback.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

/** True only for addresses and names that can never mean another machine. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const family = isIP(bare);
  if (family === 0) return bare === 'localhost' || bare.endsWith('.localhost');
  return loopback.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}

/** `127.0.0.1:7420` or `[::1]:7420`. */
export function formatHostPort({ host, port }: HostPort): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where a program on this machine reaches what listens there: every address is one of them, a certain one only itself. */
export function localUrl({ host, port }: HostPort): string {
  const local = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${formatHostPort({ host: local, port })}`;
}

/**
 * `127.0.0.1:7420`, `[::1]:7420`, `nas.local:0`, `:7420` (every address) or `7420` (the default host).
 * @throws ShoalError `invalid`
 */
export function parseHostPort(text: string, defaultHost: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]:|([^[\]:/\s]*):)?(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  const v6 = match?.[1];
  if (match === null || port > 65_535 || (v6 !== undefined && isIP(v6) !== 6)) {
    throw new ShoalError('invalid', 'not an address with a port', {
      remedy: 'Write HOST:PORT, like 127.0.0.1:7420, [::1]:7420 or 0.0.0.0:0 (port 0 picks a free one).',
    });
  }
  if (v6 !== undefined) return { host: v6, port };
  const name = match[2];
  if (name === undefined) return { host: defaultHost, port };
  return { host: name === '' ? '0.0.0.0' : name, port };
}
