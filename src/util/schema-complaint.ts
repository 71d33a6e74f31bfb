/** What a validator finds; the parts of an error of `typebox` that are of use to whoever sent the document. */
export interface SchemaComplaint {
  readonly keyword: string;
  readonly message: string;
  readonly params: unknown;
}

/** Behind the name of the place, for people. */
export function sayWhy(complaint: SchemaComplaint | undefined): string {
  if (complaint?.keyword === 'boolean') return 'is not known here'; // the schema of what is not declared is `false`
  const { allowedValues } = (complaint?.params ?? {}) as { allowedValues?: unknown };
  if (Array.isArray(allowedValues)) return `must be one of ${allowedValues.join(', ')}`;
  return complaint?.message ?? 'is not right';
}
