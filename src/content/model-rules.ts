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
const SHARD = /^(?<stem>.+)-(?<index>\d{5})-of-(?<count>\d{5})(?<extension>\.[A-Za-z0-9]+)$/;
const SHARDED = ['.gguf', '.safetensors'];

export interface ModelGroup {
  /** Path relative to the models directory; of shards the common path without `-00001-of-0000N`. */
  readonly id: string;
  readonly kind: 'file' | 'shards' | 'directory';
  readonly aliases: readonly string[];
  readonly paths: readonly string[];
  /** False while shards are missing. */
  readonly complete: boolean;
}

/** Sorts files (paths relative to the models directory) into models; files that belong to none are left out. */
export function groupModels(paths: Iterable<string>): ModelGroup[] {
  const all = [...paths].sort();
  const roots = modelDirectories(all);
  const directories = new Map<string, string[]>();
  const shards = new Map<string, { count: number; paths: string[] }>();
  const groups: ModelGroup[] = [];
  for (const path of all) {
    const root = rootOf(path, roots);
    if (root !== undefined) {
      append(directories, root, path);
      continue;
    }
    if (!hasModelExtension(path)) continue;
    const shard = shardOf(path);
    if (shard === undefined) {
      groups.push({ id: path, kind: 'file', aliases: aliasesOf(path), paths: [path], complete: true });
    } else {
      const key = `${shard.whole}\0${shard.count}`;
      const group = shards.get(key) ?? { count: shard.count, paths: [] };
      group.paths.push(path);
      shards.set(key, group);
    }
  }
  for (const [id, inside] of directories) {
    groups.push({ id, kind: 'directory', aliases: aliasesOf(id), paths: inside, complete: true });
  }
  for (const [key, { count, paths: parts }] of shards) {
    const id = key.slice(0, key.indexOf('\0'));
    groups.push({ id, kind: 'shards', aliases: aliasesOf(id), paths: parts, complete: parts.length === count });
  }
  return groups.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** The shard that `path` names, by the naming of llama.cpp and Hugging Face: `…-00001-of-00003.gguf`. */
export function shardOf(path: string): { whole: string; index: number; count: number } | undefined {
  const groups = SHARD.exec(path)?.groups;
  if (groups === undefined) return undefined;
  const { stem = '', index = '', count = '', extension = '' } = groups;
  const [at, of] = [Number(index), Number(count)];
  if (!SHARDED.includes(extension.toLowerCase()) || at < 1 || at > of) return undefined;
  return { whole: `${stem}${extension}`, index: at, count: of };
}

export function hasModelExtension(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  return MODEL_EXTENSIONS.some((extension) => name.length > extension.length && name.endsWith(extension));
}

/** The outermost directories that carry a mark; the models directory itself is never one model. */
function modelDirectories(sorted: readonly string[]): Set<string> {
  const marked = new Set<string>();
  for (const path of sorted) {
    const slash = path.lastIndexOf('/');
    if (slash > 0 && DIRECTORY_MARKS.includes(path.slice(slash + 1))) marked.add(path.slice(0, slash));
  }
  return marked;
}

function rootOf(path: string, marked: ReadonlySet<string>): string | undefined {
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    const folder = path.slice(0, slash);
    if (marked.has(folder)) return folder;
  }
  return undefined;
}

/** The name without folders and, for files, without extension. */
function aliasesOf(id: string): string[] {
  const name = id.slice(id.lastIndexOf('/') + 1);
  const extension = MODEL_EXTENSIONS.find((ending) => name.toLowerCase().endsWith(ending));
  const alias = extension === undefined ? name : name.slice(0, -extension.length);
  return alias === id ? [] : [alias];
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
