import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import { ShoalError } from '../util/errors.ts';
import { sayWhy } from '../util/schema-complaint.ts';
import { sharedSchemas } from './schemas.ts';

type Validation = { value: unknown } | { error: ShoalError };

/** Checks a part of a request; what is wrong is said in one sentence that names the place and the choices. */
export function compileValidator(schema: TSchema, part = 'request'): (given: unknown) => Validation {
  const inlined = inline(schema);
  const validator = Compile(inlined);
  return (given) => {
    // Query strings and parameters are text: numbers are read from it.
    const value: unknown = part === 'body' ? given : Value.Convert(inlined, given);
    if (validator.Check(value)) return { value };
    const [first] = validator.Errors(value);
    const place = `${part}${(first?.instancePath ?? '').replaceAll('/', '.')}`;
    const message = `${place} ${sayWhy(first)}`;
    return { error: new ShoalError('invalid', message, { remedy: 'See /openapi.json for what this route takes.' }) };
  };
}

function inline(schema: TSchema & { readonly $ref?: string }): TSchema {
  return sharedSchemas.find((shared) => schema.$ref === `${shared.$id}#`) ?? schema;
}
