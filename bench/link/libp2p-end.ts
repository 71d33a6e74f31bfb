// One end of js-libp2p as it comes, without any daemon: `send FILE [KEY-FILE]` prints its address and sends the file on
// each stream; `receive ADDRESS [KEY-FILE]` opens a stream for each `again` that it reads, throws away what comes and prints
// how long that took. With a key file both are in a private network.
import { openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import type { Stream } from '@libp2p/interface';
import { preSharedKey } from '@libp2p/pnet';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2p } from 'libp2p';

const PROTOCOL = '/shoal-bench/bytes/1';
/** The daemon's own. */
const WINDOW_BYTES = 1024 * 1024;
const SLICE_BYTES = 256 * 1024;
const [role, target = '', keyFile] = process.argv.slice(2);

if (role === 'send') await send(await createNode(['/ip4/127.0.0.1/tcp/0']), target);
else await receive(await createNode([]), target);

async function createNode(listen: string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: WINDOW_BYTES } })],
    connectionGater: { denyDialMultiaddr: () => false },
    // Its ping waits behind the bytes, and a connection whose ping is late is cut off.
    connectionMonitor: { enabled: false },
    ...(keyFile === undefined ? {} : { connectionProtector: preSharedKey({ psk: await readFile(keyFile) }) }),
  });
}

async function send(node: Libp2p, file: string): Promise<void> {
  const fd = openSync(file, 'r');
  await node.handle(PROTOCOL, async (stream) => {
    for (let at = 0; ; ) {
      const slice = new Uint8Array(SLICE_BYTES);
      const bytes = readSync(fd, slice, 0, SLICE_BYTES, at);
      if (bytes === 0) break;
      at += bytes;
      stream.send(slice.subarray(0, bytes));
      while (stream.writableNeedsDrain) await drained(stream);
    }
    await stream.close();
  });
  console.log(String(node.getMultiaddrs()[0]));
}

function drained(stream: Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.addEventListener('drain', () => resolve(), { once: true });
    stream.addEventListener('close', () => reject(new Error('the other side has gone')), { once: true });
  });
}

async function receive(node: Libp2p, address: string): Promise<void> {
  const connection = await node.dial(multiaddr(address));
  for await (const line of createInterface({ input: process.stdin })) {
    if (line !== 'again') break;
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    let bytes = 0;
    for await (const part of await connection.newStream(PROTOCOL)) bytes += part.byteLength;
    const seconds = (performance.now() - startMs) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    console.log(JSON.stringify({ bytes, seconds, cpuSeconds: (user + system) / 1e6 }));
  }
  await node.stop();
}
