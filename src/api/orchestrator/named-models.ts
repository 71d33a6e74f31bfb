/** A model as heartbeats tell of it: they list ids and aliases alike. */
export interface NamedModel {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly digest: string | undefined;
}

export interface NamesSource {
  /** Every name that some node has. */
  readonly names: Iterable<string>;
  readonly nodesWith: (name: string) => number;
  readonly digestOf: (name: string) => string | undefined;
}

/**
 * One model for all names that mean the same: those of one digest, and a name without folders and extension that no more
 * nodes have than the ids that it is the alias of. Sorted by id.
 */
export function groupNames(source: NamesSource): NamedModel[] {
  const aliases = new Map<string, string[]>();
  const hidden = new Set<string>();
  const hide = (alias: string, id: string): void => {
    hidden.add(alias);
    const known = aliases.get(id);
    if (known === undefined) aliases.set(id, [alias]);
    else known.push(alias);
  };
  const names = [...source.names];
  const byDigest = new Map<string, string>();
  // The fullest name first: a path stands for the model, what is short is its alias.
  for (const name of names.toSorted((a, b) => fullness(b) - fullness(a) || (a < b ? -1 : 1))) {
    const digest = source.digestOf(name);
    if (digest === undefined) continue;
    const id = byDigest.get(digest);
    if (id === undefined) byDigest.set(digest, name);
    else if (fullness(name) === 0) hide(name, id);
  }
  const known = new Set(names);
  const byStem = new Map<string, string[]>();
  for (const name of names) {
    const stem = stemOf(name);
    if (stem !== name && known.has(stem) && !hidden.has(stem)) byStem.set(stem, [...(byStem.get(stem) ?? []), name]);
  }
  for (const [stem, ids] of byStem) {
    const nodes = ids.reduce((sum, id) => sum + source.nodesWith(id), 0);
    if (source.nodesWith(stem) <= nodes) for (const id of ids) hide(stem, id);
  }
  return names
    .filter((name) => !hidden.has(name))
    .sort()
    .map((id) => ({ id, aliases: aliases.get(id) ?? [], digest: source.digestOf(id) }));
}

/** Ids are paths, most of them with an extension; aliases are neither. */
function fullness(name: string): number {
  return Number(name.includes('/')) + Number(stemOf(name) !== name);
}

function stemOf(name: string): string {
  return (name.split('/').at(-1) ?? name).replace(/\.(safetensors|sft|ckpt|pt2?|pth|bin|gguf|onnx)$/, '');
}
