import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { ShoalError } from '../util/errors.ts';
import { HeartbeatSchema, RegistrationSchema } from './documents.ts';
import { LIMITS } from './limits.ts';

const REMEDY = 'See /openapi.json for the fields of this document.';

/** @throws ShoalError `invalid`, its field `field` naming the place, like `pools[2].slots_free` */
export const parseRegistration = parserOf(RegistrationSchema);

const parseHeartbeatFields = parserOf(HeartbeatSchema);

/** @throws ShoalError `invalid`, as above; pools have ids of their own */
export function parseHeartbeat(given: unknown): Static<typeof HeartbeatSchema> {
  refuseLongLists(given);
  const heartbeat = parseHeartbeatFields(given);
  const seen = new Set<string>();
  for (const [index, { pool_id, slots_free, slots_total }] of heartbeat.pools.entries()) {
    if (seen.has(pool_id)) throw wrong(`pools[${index}].pool_id`, `"${pool_id}" is there twice`);
    seen.add(pool_id);
    if (slots_free > slots_total) throw wrong(`pools[${index}].slots_free`, 'is more than slots_total');
  }
  const digests = Object.keys(heartbeat.model_digests ?? {}).length;
  if (digests > LIMITS.modelsPerList) throw tooMany('model_digests', digests);
  return heartbeat;
}

/** Before anything looks at the entries: a list of a million names costs no more than its length. */
function refuseLongLists(given: unknown): void {
  const heartbeat = (given ?? {}) as { models_available?: unknown; pools?: unknown };
  refuseLong(heartbeat.models_available, 'models_available', LIMITS.modelsPerList);
  if (!Array.isArray(heartbeat.pools)) return;
  refuseLong(heartbeat.pools, 'pools', LIMITS.poolsPerNode);
  for (const [index, pool] of heartbeat.pools.entries()) {
    const { models_available: models } = (pool ?? {}) as { models_available?: unknown };
    refuseLong(models, `pools[${index}].models_available`, LIMITS.modelsPerList);
  }
}

function refuseLong(list: unknown, field: string, limit: number): void {
  if (Array.isArray(list) && list.length > limit) throw tooMany(field, list.length, limit);
}

function tooMany(field: string, count: number, limit: number = LIMITS.modelsPerList): ShoalError {
  return wrong(field, `has ${count} entries, and ${limit} are the most that are taken`);
}

/** A check of documents whose complaint names the field. */
export function parserOf<T extends TSchema>(schema: T): (given: unknown) => Static<T> {
  const validator = Compile(schema);
  return (given) => {
    if (validator.Check(given)) return given;
    const [first] = validator.Errors(given);
    const { requiredProperties } = (first?.params ?? {}) as { requiredProperties?: readonly string[] };
    const missing = requiredProperties?.[0];
    const path = (first?.instancePath ?? '') + (missing === undefined ? '' : `/${missing}`);
    throw wrong(fieldOf(path), missing === undefined ? (first?.message ?? 'is not right') : 'is missing');
  };
}

/** `/pools/2/slots_free` → `pools[2].slots_free`. */
function fieldOf(pointer: string): string {
  const place = pointer
    .slice(1)
    .replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]')
    .replaceAll('/', '.');
  return place === '' ? 'the body' : place;
}

function wrong(field: string, why: string): ShoalError {
  return new ShoalError('invalid', `${field} ${why}`.slice(0, 400), { remedy: REMEDY, fields: { field } });
}
