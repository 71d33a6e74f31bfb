import type { ErrorCode } from '../util/errors.ts';

export type Penalty =
  | 'blame' // it sent something wrong: left alone for long, and named
  | 'busy' // it asked for a moment: its other pieces go on
  | 'stalled' // it fell silent: its pieces go elsewhere, tried again soon
  | 'gone' // the same, without the suspicion
  | 'defect' // not its fault as far as we know; logged
  | 'disk-full'; // ours to solve: the whole download waits

/** What a failed fetch costs the source that it was asked of. */
export const PENALTIES: Readonly<Record<ErrorCode, Penalty>> = {
  'piece-corrupt': 'blame',
  'source-lied': 'blame',
  'source-busy': 'busy',
  'source-stalled': 'stalled',
  'source-gone': 'gone',
  unreachable: 'gone',
  'not-found': 'gone',
  conflict: 'gone',
  unauthorized: 'gone',
  changed: 'gone',
  'verification-failed': 'gone',
  invalid: 'defect',
  internal: 'defect',
  'disk-full': 'disk-full',
};
