import { type ErrorCode, ShoalError } from '../util/errors.ts';

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  verificationFailed: 5,
  noSpace: 6,
  interrupted: 130,
} as const;

const exitCodes: Readonly<Record<ErrorCode, number>> = {
  invalid: EXIT.usage,
  'not-found': EXIT.notFound,
  unreachable: EXIT.unreachable,
  'verification-failed': EXIT.verificationFailed,
  'disk-full': EXIT.noSpace,
  unauthorized: EXIT.failed,
  conflict: EXIT.failed,
  changed: EXIT.failed,
  'piece-corrupt': EXIT.failed,
  'source-lied': EXIT.failed,
  'source-stalled': EXIT.failed,
  'source-gone': EXIT.failed,
  'source-busy': EXIT.failed,
  internal: EXIT.failed,
};

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof ShoalError)) return EXIT.failed;
  // A daemon that answers is reachable, whatever it cannot reach itself.
  if (error.code === 'unreachable' && error.fields['status'] !== undefined) return EXIT.failed;
  return exitCodes[error.code];
}
