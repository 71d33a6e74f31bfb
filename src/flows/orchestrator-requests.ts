import { type Dispatcher, request } from 'undici';
import { withDeadline } from '../util/deadline.ts';
import { isAbort, messageOf, ShoalError } from '../util/errors.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly retryAfter: string | string[] | undefined;
}

export interface JsonRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly body?: unknown;
  readonly token: string | undefined;
  /** Whose connections are used; by default everybody's. */
  readonly dispatcher?: Dispatcher;
}

export const REQUEST_DEADLINE_MS = 5_000;
const ANSWER_MAX_BYTES = 64 * 1024;
const RETRY_AFTER_MAX_MS = 300_000;
const REASON_MAX_LENGTH = 200;

/** One JSON request to an orchestrator or a pool manager: bounded in time and size. */
export async function sendJson(
  url: URL,
  { method, body, token, dispatcher }: JsonRequest,
  signal: AbortSignal,
  deadlineMs = REQUEST_DEADLINE_MS,
): Promise<Answer> {
  return withDeadline(
    deadlineMs,
    async (deadline) => {
      const answer = await request(url, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: deadline,
        ...(dispatcher === undefined ? {} : { dispatcher }),
      });
      return {
        status: answer.statusCode,
        body: await readBounded(answer.body),
        retryAfter: answer.headers['retry-after'],
      };
    },
    signal,
  );
}

async function readBounded(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.byteLength;
    if (length > ANSWER_MAX_BYTES) throw new ShoalError('invalid', 'the answer has more than 64 KiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function refusal(what: string, answer: Answer): ShoalError {
  const hint = answer.status === 401 ? ' (wrong or missing token)' : '';
  const reason = reasonIn(answer.body);
  const why = reason === undefined ? '' : `: ${reason}`;
  return new ShoalError('unreachable', `${what} was answered with ${answer.status}${hint}${why}`, {
    fields: { status: answer.status, retryAfter: answer.retryAfter },
  });
}

/** It has answered that it did not take the request. Any other failure leaves open whether it did. */
export function hasRefused({ status, body }: Answer): boolean {
  return (status >= 400 && status < 500) || (status !== 200 && parseObject(body)?.['success'] === false);
}

const UNSENT = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** The request failed before there was a connection. */
export function wasNeverSent(error: unknown): boolean {
  const errors = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
  return errors.length > 0 && errors.every((one) => UNSENT.has(String((one as NodeJS.ErrnoException).code)));
}

/** What a request failed with, in one line that stays the same as long as the trouble does. */
export function troubleOf(error: unknown): string {
  return isAbort(error) ? `no answer within ${REQUEST_DEADLINE_MS} ms` : messageOf(error);
}

/** `Retry-After` in seconds or as an HTTP date (RFC 9110 §10.2.3), capped at 5 minutes. */
export function retryAfterMs(error: unknown, now: number): number | undefined {
  const value = error instanceof ShoalError ? error.fields['retryAfter'] : undefined;
  if (typeof value !== 'string') return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, RETRY_AFTER_MAX_MS) : undefined;
}

/** The sentence that the other side gives for its refusal, in one of the places where programs put it. */
function reasonIn(body: string): string | undefined {
  const document = parseObject(body);
  for (const key of ['message', 'detail', 'error']) {
    const text = document?.[key];
    if (typeof text === 'string' && text !== '') return text.replace(/\p{Cc}/gu, ' ').slice(0, REASON_MAX_LENGTH);
  }
  return undefined;
}

/** Undefined for a body that is no JSON object. */
export function parseObject(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const document: unknown = JSON.parse(body);
    return typeof document === 'object' && document !== null && !Array.isArray(document)
      ? (document as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
