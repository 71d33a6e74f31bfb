// One end of the machine's own limit: `send FILE STEPS` prints its port, `receive PORT FILE STEPS` its timing. No daemon,
// no protocol: what is left is what the sockets, the hashes and the disk cost by themselves.
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectSecure, createServer as createSecureServer } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { LANE_CIPHER } from '../../src/transfer/worker/lane/lane-tls.ts';
import { alignedBytes } from '../../src/util/aligned-bytes.ts';

const [role, ...rest] = process.argv.slice(2);
const PIECE_BYTES = 1024 * 1024;
/** As the daemon does it: what is sent, hashed and written at a time stays in the processor's cache. */
const SLICE_BYTES = 256 * 1024;
const RECEIVE_BYTES = 64 * 1024;

const [first = '', second = '', third = '', fourth = ''] = rest;
if (role === 'send') await send(first, second, third, fourth);
else await receive(first, second, third);

async function send(path: string, steps: string, cert: string, key: string): Promise<void> {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  const serve = (socket: Socket): void => {
    const free = [alignedBytes(SLICE_BYTES), alignedBytes(SLICE_BYTES)];
    let at = 0;
    const pump = (): void => {
      for (
        let buffer = at < size ? free.pop() : undefined;
        buffer !== undefined;
        buffer = at < size ? free.pop() : undefined
      ) {
        const sent = buffer;
        const read = readSync(fd, sent, 0, Math.min(SLICE_BYTES, size - at), at);
        at += read;
        socket.write(sent.subarray(0, read), () => {
          free.push(sent);
          pump();
        });
      }
      if (at >= size && free.length === 2) socket.end();
    };
    socket.on('error', () => undefined);
    socket.resume();
    pump();
  };
  const server = steps.includes('tls') ? createSecureServer({ cert, key, ...LANE_CIPHER }, serve) : createServer(serve);
  server.listen(0, '127.0.0.1', () => console.log((server.address() as { port: number }).port));
  await new Promise(() => undefined);
}

async function receive(port: string, path: string, steps: string): Promise<void> {
  const wants = new Set(steps.split('+'));
  const blake3 = await loadBlake3();
  const fd = openSync(path, 'w+');
  const step = alignedBytes(SLICE_BYTES);
  let hash = blake3.create();
  const written = new Int32Array(new SharedArrayBuffer(4));
  let filled = 0;
  let bytes = 0;
  const flush = (): void => {
    const part = step.subarray(0, filled);
    if (wants.has('blake3')) hash.update(part);
    if (wants.has('write')) writeSync(fd, part, 0, filled, bytes);
    bytes += filled;
    filled = 0;
    if (bytes % PIECE_BYTES !== 0) return;
    hash.digest();
    hash = blake3.create();
    Atomics.store(written, 0, Math.floor(bytes / PIECE_BYTES));
    Atomics.notify(written, 0);
  };
  const buffer = alignedBytes(RECEIVE_BYTES);
  const onread = {
    buffer,
    callback: (length: number): boolean => {
      for (let at = 0; at < length; ) {
        const part = buffer.subarray(at, Math.min(length, at + SLICE_BYTES - filled));
        step.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled === SLICE_BYTES) flush();
      }
      return true;
    },
  };
  const hashing = wants.has('sha256') ? hashBeside(path, written.buffer) : undefined;
  await hashing?.ready;
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  const options = { port: Number(port), host: '127.0.0.1', onread };
  const socket = wants.has('tls') ? connectSecure({ ...options, rejectUnauthorized: false }) : connect(options);
  await new Promise((resolve, reject) => {
    socket.on('close', resolve);
    socket.on('error', reject);
  });
  if (filled > 0) flush();
  Atomics.store(written, 0, -1);
  Atomics.notify(written, 0);
  await hashing?.done;
  const seconds = (performance.now() - startMs) / 1000;
  const used = process.cpuUsage(cpu);
  closeSync(fd);
  console.log(JSON.stringify({ bytes, seconds, cpuSeconds: (used.user + used.system) / 1e6 }));
  process.exit();
}

/** sha256 on a thread of its own, reading what has been written. */
function hashBeside(path: string, written: ArrayBufferLike): { ready: Promise<unknown>; done: Promise<unknown> } {
  const worker = new Worker(new URL('./hash-thread.ts', import.meta.url), { workerData: { path, written } });
  const message = (): Promise<unknown> => new Promise((resolve) => worker.once('message', resolve));
  const ready = message();
  return { ready, done: ready.then(message) };
}
