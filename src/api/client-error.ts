import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { securityHeaders } from './guard.ts';
import { RequestError, refusalProblem } from './problem.ts';

/** What is no request, or none in time: Node finds that out before there is one that a route could answer. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (socket.writable) {
    const id = randomUUID();
    const problem = refusalProblem(refusalOf(error.code), id);
    const body = JSON.stringify(problem);
    const headers = {
      ...securityHeaders,
      'x-correlation-id': id,
      'content-type': 'application/problem+json',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
  }
  socket.destroy(error);
}

function refusalOf(code: string | undefined): RequestError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new RequestError(408, 'too-slow', 'the request did not come whole in time', 'Send it at once.');
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const remedy = 'Send fewer or shorter ones; in a browser, delete the cookies of this host.';
    return new RequestError(431, 'too-large', 'the headers of the request are too large', remedy);
  }
  return new RequestError(400, 'invalid', 'this is no HTTP request', 'Speak HTTP/1.1, without TLS.');
}
