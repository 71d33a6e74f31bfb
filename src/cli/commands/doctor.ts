import type { Check } from '../../api/schemas.ts';
import { codeOf, ShoalError } from '../../util/errors.ts';
import type { ClientCommand } from '../command.ts';
import { EXIT, exitCodeOf } from '../exit-codes.ts';

const MARKS = { ok: 'ok     ', warning: 'warning', failed: 'FAILED ' } as const;

/** A daemon that cannot be asked is the first finding, not a failure of the doctor. */
export const doctor: ClientCommand = async ({ api, out, json, signal }) => {
  let checks: readonly Check[];
  let code: number;
  try {
    ({ checks } = await api.get<{ checks: Check[] }>('/v1/doctor', signal));
    code = checks.some((check) => check.status === 'failed') ? EXIT.failed : EXIT.done;
  } catch (error) {
    if (!(error instanceof ShoalError) || codeOf(error) !== 'unreachable') throw error;
    checks = [
      {
        check: 'daemon',
        status: 'failed',
        detail: error.message,
        remedy: error.remedy ?? '',
      },
    ];
    code = exitCodeOf(error);
  }
  if (json) {
    out.json({ checks });
    return code;
  }
  for (const { check, status, detail, remedy } of checks) {
    out.line(`${MARKS[status]}  ${check}: ${detail}`);
    if (remedy !== undefined && remedy !== '') out.line(`         → ${remedy}`);
  }
  return code;
};
