import { codeOf, messageOf, ShoalError } from '../util/errors.ts';
import type { ProblemView } from './views.ts';

export function problemView(error: unknown): ProblemView {
  const base = { code: codeOf(error), message: messageOf(error) };
  if (!(error instanceof ShoalError)) return base;
  const missingBytes = error.fields['missingBytes'];
  return {
    ...base,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    ...(typeof missingBytes === 'number' ? { missingBytes } : {}),
  };
}
