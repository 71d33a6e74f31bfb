import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { ShoalError } from '../util/errors.ts';
import { sayWhy } from '../util/schema-complaint.ts';
import { HeartbeatSchema, RegistrationSchema } from './documents.ts';

const REMEDY = 'See /openapi.json for the fields of this document.';

/** @throws ShoalError `invalid`, its field `field` naming the place, like `pools[2].slots_free` */
export const parseRegistration = parserOf(RegistrationSchema);

const parseHeartbeatFields = parserOf(HeartbeatSchema);

/** @throws ShoalError `invalid`, as above; pools have ids of their own */
export function parseHeartbeat(given: unknown): Static<typeof HeartbeatSchema> {
  const heartbeat = parseHeartbeatFields(given);
  const seen = new Set<string>();
  for (const [index, { pool_id, slots_free, slots_total }] of heartbeat.pools.entries()) {
    if (seen.has(pool_id)) throw wrong(`pools[${index}].pool_id`, `"${pool_id}" is there twice`);
    seen.add(pool_id);
    if (slots_free > slots_total) throw wrong(`pools[${index}].slots_free`, 'is more than slots_total');
  }
  const { disk } = heartbeat;
  if (disk && disk.free_bytes > disk.total_bytes) throw wrong('disk.free_bytes', 'is more than total_bytes');
  return heartbeat;
}

/** A check of documents whose complaint names the field. */
export function parserOf<T extends TSchema>(schema: T): (given: unknown) => Static<T> {
  const validator = Compile(schema);
  return (given) => {
    refuseLongLists(schema, given, '');
    if (validator.Check(given)) return given;
    const [first] = validator.Errors(given);
    const { requiredProperties } = (first?.params ?? {}) as { requiredProperties?: readonly string[] };
    const missing = requiredProperties?.[0];
    const path = (first?.instancePath ?? '') + (missing === undefined ? '' : `/${missing}`);
    throw wrong(fieldOf(path), missing === undefined ? sayWhy(first) : 'is missing');
  };
}

interface ListSchema {
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly items?: ListSchema;
  readonly properties?: Readonly<Record<string, ListSchema>>;
  readonly anyOf?: readonly ListSchema[];
}

/** Before anything looks at the entries: a list of a million names costs no more than its length. */
function refuseLongLists(schema: ListSchema, given: unknown, path: string): void {
  if (typeof given !== 'object' || given === null) return;
  for (const choice of schema.anyOf ?? []) refuseLongLists(choice, given, path);
  if (Array.isArray(given)) {
    const { items, maxItems = Infinity } = schema;
    if (given.length > maxItems) throw tooMany(path, given.length, maxItems);
    // Lists of names have nothing inside.
    if (items?.properties === undefined) return;
    for (const [index, entry] of given.entries()) refuseLongLists(items, entry, `${path}/${index}`);
    return;
  }
  const { properties, maxProperties = Infinity } = schema;
  const count = maxProperties === Infinity ? 0 : Object.keys(given).length;
  if (count > maxProperties) throw tooMany(path, count, maxProperties);
  for (const [name, property] of Object.entries(properties ?? {})) {
    refuseLongLists(property, (given as Readonly<Record<string, unknown>>)[name], `${path}/${name}`);
  }
}

function tooMany(path: string, count: number, limit: number): ShoalError {
  return wrong(fieldOf(path), `has ${count} entries, and ${limit} are the most that are taken`);
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
