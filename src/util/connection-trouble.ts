import { errnoOf, messageOf } from './errors.ts';

/** Why a request reached nobody, for people. */
export function connectionTrouble(error: unknown): string {
  const errno = errnoOf(error);
  if (errno === 'ECONNREFUSED') return 'connection refused';
  if (errno === 'ENOTFOUND') return 'the host name is not known';
  if (errno === 'ECONNRESET' || errno === 'EPIPE') return 'the connection broke';
  if (errno === 'EPROTO' && messageOf(error).includes('wrong version number')) return 'no TLS there: write http://';
  // Several addresses were tried (localhost): the first error says enough.
  if (error instanceof AggregateError && error.errors.length > 0) return connectionTrouble(error.errors[0]);
  return errno ?? messageOf(error);
}
