import type { FastifyRequest } from 'fastify';
import { type ErrorCode, isAbort, ShoalError } from '../util/errors.ts';
import type { Problem } from './schemas.ts';

/** What HTTP makes of each code. */
export const statusOf: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  unauthorized: 401,
  'not-found': 404,
  conflict: 409,
  changed: 409,
  internal: 500,
  'piece-corrupt': 502,
  'source-lied': 502,
  'source-gone': 502,
  'verification-failed': 502,
  unreachable: 502,
  'source-busy': 503,
  'source-stalled': 504,
  'disk-full': 507,
};

const titles: Readonly<Record<ErrorCode, string>> = {
  invalid: 'The request is not right',
  unauthorized: 'A token is needed',
  'not-found': 'Nobody knows it',
  conflict: 'Not in the present state',
  changed: 'The file changed meanwhile',
  internal: 'A defect of the daemon',
  'piece-corrupt': 'A source sent wrong bytes',
  'source-lied': 'A source broke the protocol',
  'source-gone': 'A source is gone',
  'verification-failed': 'The bytes do not match their digest',
  unreachable: 'Another program does not answer',
  'source-busy': 'Busy',
  'source-stalled': 'A source does not answer in time',
  'disk-full': 'Not enough space on the disk',
};

/** Problems of HTTP itself, which no part below the API knows. */
export type RequestProblem =
  | 'no-such-route'
  | 'method-not-allowed'
  | 'forbidden-host'
  | 'forbidden-origin'
  | 'forbidden-node'
  | 'invalid'
  | 'too-large'
  | 'too-slow'
  | 'unsupported-media-type'
  | 'too-many-subscribers'
  | 'shutting-down';

/** A failure of the request as HTTP: its own status and code. */
export class RequestError extends Error {
  readonly status: number;
  readonly code: RequestProblem;
  readonly remedy: string;

  constructor(status: number, code: RequestProblem, message: string, remedy: string) {
    super(message);
    this.name = 'RequestError';
    this.status = status;
    this.code = code;
    this.remedy = remedy;
  }
}

/** The RFC 9457 document of an error. What a defect of ours said goes to the log only. */
export function problemOf(error: unknown, request: Pick<FastifyRequest, 'id' | 'routeOptions'>): Problem {
  const correlationId = request.id;
  if (error instanceof RequestError) return refusalProblem(error, correlationId);
  if (error instanceof ShoalError && error.code !== 'internal') {
    return problem(statusOf[error.code], error.code, titles[error.code], {
      ...error.fields,
      detail: error.message,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      correlationId,
    });
  }
  if (isAbort(error)) {
    return problem(503, 'shutting-down', 'Stopped', {
      detail: 'The daemon ended this before it was done.',
      remedy: 'Ask again when the daemon runs.',
      correlationId,
    });
  }
  const framework = frameworkProblem(error, request);
  if (framework !== undefined) {
    const { status, code, detail, remedy } = framework;
    return problem(status, code, titles.invalid, { detail, remedy, correlationId });
  }
  return problem(500, 'internal', titles.internal, {
    detail: 'The daemon could not do this.',
    remedy: `Its log tells why: look for "${correlationId}".`,
    correlationId,
  });
}

export function refusalProblem({ status, code, message, remedy }: RequestError, correlationId: string): Problem {
  return problem(status, code, 'The request is refused', { detail: message, remedy, correlationId });
}

function sizeOf(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes / 1024} KiB` : `${bytes / 2 ** 20} MiB`;
}

type Body = Pick<Problem, 'detail' | 'remedy' | 'correlationId'> & Readonly<Record<string, unknown>>;

function problem(status: number, code: string, title: string, body: Body): Problem {
  // Facts first, so that no field of an error can pass for a member that has a meaning.
  return { ...body, type: `urn:shoal:problem:${code}`, title, status, code };
}

interface FrameworkProblem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly remedy: string;
}

/** What fastify refuses before a route runs: its errors carry a `statusCode` below 500. */
function frameworkProblem(error: unknown, request: Pick<FastifyRequest, 'routeOptions'>): FrameworkProblem | undefined {
  const { statusCode, message } = error as { statusCode?: unknown; message?: unknown };
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) return undefined;
  const detail = typeof message === 'string' ? message.slice(0, 300) : 'The request is not right.';
  if (statusCode === 413) {
    return {
      status: 413,
      code: 'too-large',
      detail,
      remedy: `Here a body has at most ${sizeOf(request.routeOptions.bodyLimit)}.`,
    };
  }
  if (statusCode === 415) {
    return { status: 415, code: 'unsupported-media-type', detail, remedy: 'Send JSON as application/json.' };
  }
  return { status: statusCode, code: 'invalid', detail, remedy: 'See /openapi.json for what this route takes.' };
}
