import { createServer } from 'node:net';

/** Below what Linux gives to outgoing connections (32768 to 60999): a program that is restarted finds its port free. */
const FIRST_PORT = 12_000;
const PORTS = 20_000;

/** A port that was free a moment ago, for programs that are to have the same one again, or cannot be told to pick one. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
