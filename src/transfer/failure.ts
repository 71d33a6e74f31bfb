import { ShoalError } from '../util/errors.ts';
import type { Failure } from './data-orders.ts';

/** An error as it is told to another thread. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ShoalError) {
    const { code, message, remedy, fields } = error;
    return { code, message, fields, ...(remedy === undefined ? {} : { remedy }) };
  }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  return { code: 'internal', message, fields: {}, ...(stack === undefined ? {} : { stack }) };
}

export function revive(failure: Failure): ShoalError {
  const { code, message, remedy, fields, stack } = failure;
  const error = new ShoalError(code, message, { fields, ...(remedy === undefined ? {} : { remedy }) });
  if (stack !== undefined) error.stack = stack;
  return error;
}
