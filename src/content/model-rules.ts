/** Which files are models: what programs that load models (ComfyUI, llama.cpp, diffusers) take for one. */
export const MODEL_EXTENSIONS: readonly string[] = [
  '.safetensors',
  '.sft',
  '.ckpt',
  '.pt',
  '.pt2',
  '.pth',
  '.bin',
  '.gguf',
  '.onnx',
];

/** A directory with one of these at its top is one model. */
const DIRECTORY_MARKS = ['model_index.json', 'config.json'];
const SHARD = /^(?<stem>.+)-(?<index>\d{5})-of-(?<count>\d{5})(?<extension>\.[A-Za-z]+)$/;
const SHARDED = ['.gguf', '.safetensors'];

export interface ModelGroup {
  /** Path relative to the models directory; of shards the common path without `-00001-of-0000N`. */
  readonly id: string;
  readonly kind: 'file' | 'shards' | 'directory';
  readonly aliases: readonly string[];
  readonly paths: readonly string[];
  /** False while shards are missing, also inside a directory, and of a directory while it holds no weights. */
  readonly complete: boolean;
}

interface ShardSet {
  readonly whole: string;
  readonly first: string;
  readonly count: number;
  readonly paths: string[];
}

/**
 * Sorts files (paths relative to the models directory) into models, sorted by id, no id twice; files that belong to none
 * are left out, and so is what lies under a name that starts with a dot.
 */
export function groupModels(paths: Iterable<string>): ModelGroup[] {
  const all = [...new Set(paths)].filter((path) => !/(?:^|\/)\./.test(path)).sort();
  const marked = markedDirectories(all);
  const directories = new Map<string, string[]>();
  const loose: string[] = [];
  for (const path of all) {
    const root = rootOf(path, marked);
    if (root !== undefined) append(directories, root, path);
    else if (hasModelExtension(path)) loose.push(path);
  }
  const groups: ModelGroup[] = [];
  for (const [id, inside] of directories) {
    // Somebody who copies a model brings its small files first: without any weights it is none yet.
    const complete = inside.some(hasModelExtension) && shardSets(inside).every(isWhole);
    groups.push({ id, kind: 'directory', aliases: aliasesOf(id), paths: inside, complete });
  }
  for (const path of loose) {
    if (shardOf(path) !== undefined) continue;
    groups.push({ id: path, kind: 'file', aliases: aliasesOf(path), paths: [path], complete: true });
  }
  const taken = new Set(groups.map((group) => group.id));
  // A set whose common name is taken (by the file that the shards were merged into, or by a set of another count) goes
  // by its first shard, as llama.cpp itself names it, and where a folder has that name by another. A file's name is its own
  // set's. Whole sets choose before broken ones.
  const files = new Set(loose);
  for (const set of shardSets(loose).sort((a, b) => Number(isWhole(b)) - Number(isWhole(a)))) {
    const isFree = (name: string): boolean => !taken.has(name);
    const whole = files.has(set.whole) ? [] : [set.whole];
    const id = [...whole, set.first, ...set.paths].find(isFree) ?? set.first;
    taken.add(id);
    groups.push({ id, kind: 'shards', aliases: aliasesOf(id), paths: set.paths, complete: isWhole(set) });
  }
  return groups.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** The shard that `path` names, by the naming of llama.cpp and Hugging Face: `…-00001-of-00003.gguf`. */
export function shardOf(
  path: string,
): { readonly whole: string; readonly first: string; readonly index: number; readonly count: number } | undefined {
  const groups = SHARD.exec(path)?.groups;
  if (groups === undefined) return undefined;
  const { stem = '', index = '', count = '', extension = '' } = groups;
  const [at, of] = [Number(index), Number(count)];
  // A stem that ends in a slash would leave a whole without a name.
  if (!SHARDED.includes(extension.toLowerCase()) || at < 1 || at > of || stem.endsWith('/')) return undefined;
  return { whole: `${stem}${extension}`, first: `${stem}-00001-of-${count}${extension}`, index: at, count: of };
}

export function hasModelExtension(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  return MODEL_EXTENSIONS.some((extension) => name.length > extension.length && name.endsWith(extension));
}

/** The name without folders and, for files, without extension; none where that is the id itself. */
export function aliasesOf(id: string): string[] {
  const name = id.slice(id.lastIndexOf('/') + 1);
  const extension = MODEL_EXTENSIONS.find((ending) => name.toLowerCase().endsWith(ending));
  const alias = extension === undefined ? name : name.slice(0, -extension.length);
  return alias === id || alias === '' ? [] : [alias];
}

/** Every directory that carries a mark; the models directory itself is never one model. */
function markedDirectories(paths: readonly string[]): Set<string> {
  const marked = new Set<string>();
  for (const path of paths) {
    const slash = path.lastIndexOf('/');
    if (slash > 0 && DIRECTORY_MARKS.includes(path.slice(slash + 1))) marked.add(path.slice(0, slash));
  }
  return marked;
}

/** The outermost marked directory around `path`. */
function rootOf(path: string, marked: ReadonlySet<string>): string | undefined {
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    const folder = path.slice(0, slash);
    if (marked.has(folder)) return folder;
  }
  return undefined;
}

function shardSets(paths: readonly string[]): ShardSet[] {
  const sets = new Map<string, ShardSet>();
  for (const path of paths) {
    const shard = shardOf(path);
    if (shard === undefined) continue;
    const set = sets.get(shard.first) ?? { whole: shard.whole, first: shard.first, count: shard.count, paths: [] };
    set.paths.push(path);
    sets.set(shard.first, set);
  }
  return [...sets.values()];
}

function isWhole(set: ShardSet): boolean {
  return set.paths.length === set.count;
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
