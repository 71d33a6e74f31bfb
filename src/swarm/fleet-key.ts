import { createHash, randomBytes } from 'node:crypto';
import { ShoalError } from '../util/errors.ts';
import { loadOrCreateSecret } from './secret-file.ts';

const HEADER = '/key/swarm/psk/1.0.0/\n/base16/\n';

/** A new key in the text form of libp2p private networks, which go-libp2p and IPFS read too. */
export function generateFleetKey(): string {
  return `${HEADER}${randomBytes(32).toString('hex')}\n`;
}

/** The key as `createSwarmNode` takes it, from its text. @throws ShoalError `invalid` */
export function parseFleetKey(text: string): Uint8Array {
  const lines = text.trim().split(/\r?\n/);
  const hex = lines[2]?.trim() ?? '';
  if (
    lines.length !== 3 ||
    lines[0] !== '/key/swarm/psk/1.0.0/' ||
    lines[1] !== '/base16/' ||
    !/^[0-9a-f]{64}$/i.test(hex)
  ) {
    throw new ShoalError('invalid', 'this is not a fleet key', {
      remedy:
        'Copy the file that `shoal fleet-key` printed or that another node of the fleet uses: three lines, unchanged.',
    });
  }
  return new TextEncoder().encode(`${HEADER}${hex.toLowerCase()}`);
}

/** The 32 bytes that the key stands for. */
export function keyBytes(key: Uint8Array): Uint8Array {
  return Buffer.from(new TextDecoder().decode(key).slice(HEADER.length), 'hex');
}

/**
 * The fleet's key, made at the first start. A group may read it (secrets that a system hands to a service often are so),
 * others may not.
 * @throws ShoalError `invalid` for another file or wrong permissions
 */
export async function loadOrCreateFleetKey(path: string): Promise<{ key: Uint8Array; created: boolean }> {
  const { content, created } = await loadOrCreateSecret(
    path,
    () => new TextEncoder().encode(generateFleetKey()),
    0o037,
  );
  return { key: parseFleetKey(new TextDecoder().decode(content)), created };
}

/** A short name for the fleet that says nothing about its key: for discovery on a LAN that several fleets share. */
export function fleetTag(key: Uint8Array): string {
  return createHash('sha256').update('shoal fleet tag\0').update(key).digest('hex').slice(0, 12);
}
