/**
 * One end of a burst of connections, as a process of its own: only so does an error that nobody catches show. Arguments:
 * `server LIMIT` listens with that many inbound connections a second and prints its address; `clients KEY ADDRESS N` has N
 * nodes with that fleet key dial it at once, until each is connected or, with another key, has been refused twice.
 */
import { generateKeyPair } from '@libp2p/crypto/keys';
import { multiaddr } from '@multiformats/multiaddr';
import { parseFleetKey } from '../../src/swarm/fleet-key.ts';
import { Swarm } from '../../src/swarm/swarm.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { systemRandom } from '../../src/util/random.ts';

const [role, ...rest] = process.argv.slice(2);
const keyOf = (digit: string): Uint8Array => parseFleetKey(`/key/swarm/psk/1.0.0/\n/base16/\n${digit.repeat(64)}\n`);

async function start(
  name: string,
  key: string,
  options: { bootstrap?: string; inboundPerSecond?: number },
): Promise<Swarm> {
  const swarm = await Swarm.start(
    {
      privateKey: await generateKeyPair('Ed25519'),
      fleetKey: keyOf(key),
      name,
      listen: [multiaddr('/ip4/127.0.0.1/tcp/0')],
      bootstrap: options.bootstrap === undefined ? [] : [multiaddr(options.bootstrap)],
      mdns: false,
      ...(options.inboundPerSecond === undefined
        ? {}
        : { limits: { inboundPerSecond: options.inboundPerSecond, pending: 2 * options.inboundPerSecond } }),
    },
    { log: silentLog, metrics: new Metrics(), clock: systemClock, random: systemRandom },
  );
  return swarm;
}

if (role === 'server') {
  const server = await start('server', 'a', { inboundPerSecond: Number(rest[0]) });
  void server.run(new AbortController().signal);
  console.log(server.multiaddrs()[0]);
} else {
  const [key = '', address = '', count = ''] = rest;
  const names = Array.from({ length: Number(count) }, (_, index) => `client-${index}`);
  const clients = await Promise.all(names.map((name) => start(name, key, { bootstrap: address })));
  const server = address.slice(address.lastIndexOf('/') + 1);
  const signal = new AbortController().signal;
  for (const client of clients) void client.run(signal);
  const deadline = Date.now() + 20_000;
  const connected = (): number => clients.filter((client) => client.isConnected(server)).length;
  const enough = key === 'a' ? clients.length : Infinity;
  while (connected() < enough && Date.now() < (key === 'a' ? deadline : deadline - 18_000)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  console.log(`connected ${connected()}`);
  process.exit(0);
}
